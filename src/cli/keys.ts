/** `isopod keys create`: makes an API key, and the lines that let a server know it. */
import { Command } from "commander";

interface KeyOptions {
  readonly plan?: string;
  readonly json?: boolean;
}

/** The command. */
export function keysCommand(): Command {
  const create = new Command("create")
    .description("Make a key. It is shown once; the server is given its hash only.")
    .option("--plan <name>", "the plan of who calls with it, a [plans.NAME] of the configuration")
    .option("--json", "print {key, hash, plan} as JSON")
    .helpOption("-h, --help", "print this")
    .addHelpText("after", "\nExample:\n  isopod keys create --plan paid\n")
    .action(createKey);
  return new Command("keys").description("Make keys for callers.").addCommand(create).helpCommand(false);
}

function createKey({ plan, json }: KeyOptions): void {
  const key = `isopod_${Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString("base64url")}`;
  const hash = `sha256-${new Bun.CryptoHasher("sha256").update(key).digest("hex")}`;
  if (json) {
    process.stdout.write(`${JSON.stringify({ key, hash, ...(plan !== undefined && { plan }) })}\n`);
    return;
  }
  process.stdout.write(`${key}

For the caller, who sends it as "Authorization: Bearer ...". It is stored nowhere. For isopod.toml:

[[keys]]
plan = ${JSON.stringify(plan ?? "NAME")}${plan === undefined ? "   # of one of your [plans.NAME]" : ""}
hash = "${hash}"
`);
}
