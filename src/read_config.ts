/**
 * Reads a server's configuration: the file and what the command line says beside it, with the checks of every room whose
 * language stands in the file. Small to load, unlike the server.
 */
import { parseEgressRule, parseHostPattern } from "./bindings/egress/rule.ts";
import type { Config } from "./control/config.ts";
import { loadConfig, parseConfig } from "./control/config_file.ts";
import { parseSourceRule } from "./gateway/source_rules.ts";

/** The checks of the bindings' and the gateway's languages, for reading a configuration. */
export const CONFIG_CHECKS = {
  validateEgress: (rule: string) => void parseEgressRule(rule),
  validateHost: (host: string) => void parseHostPattern(host),
  validateSource: (source: string) => void parseSourceRule(source),
};

/** What a command line may say beside the file. */
export interface ConfigSource {
  /** A server without a file runs what this machine sends to `/run`, and nothing else. */
  readonly file?: string | undefined;
  /** `host:port` in the place of the file's `listen_address` and `admin_address`. */
  readonly listen?: string | undefined;
  readonly admin?: string | undefined;
  readonly sandbox?: Config["sandbox"] | undefined;
}

/** Reads the configuration of a server. @throws {Error} one readable line, for the first mistake */
export async function readConfig({ file, listen, admin, sandbox }: ConfigSource): Promise<Config> {
  const options = { ...CONFIG_CHECKS, listen, admin };
  const config = file === undefined ? parseConfig("", options) : await loadConfig(file, options);
  return sandbox === undefined ? config : { ...config, sandbox };
}
