/** The one kind of error that reading a configuration ends in: where it stands, and what was expected there. */

/** A place in a text; both count from 1. */
export interface TextPosition {
  readonly line: number;
  readonly column: number;
}

/** What a `ConfigError` is made of. */
export interface ConfigErrorDetails {
  /** The action, the value and what was expected, without the place. */
  readonly message: string;
  /** The file as its user wrote it. */
  readonly file: string;
  readonly position?: TextPosition | undefined;
  /** What would have been right, when that can be said. */
  readonly expected?: string | undefined;
}

/**
 * A mistake in a configuration file, told in one line:
 * `isopod.toml:12: Cannot read limits.wall_ms of function "hello": expected …`.
 */
export class ConfigError extends Error {
  readonly file: string;
  readonly line: number | undefined;
  readonly column: number | undefined;
  readonly expected: string | undefined;

  constructor({ message, file, position, expected }: ConfigErrorDetails) {
    super(position ? `${file}:${position.line}: ${message}` : `${file}: ${message}`);
    this.name = "ConfigError";
    this.file = file;
    this.line = position?.line;
    this.column = position?.column;
    this.expected = expected;
  }
}
