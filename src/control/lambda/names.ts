/**
 * The names of functions as callers of the Lambda API write them: `NAME`, `NAME:QUALIFIER`, `ACCOUNT:function:NAME` and
 * ARNs, with or without a qualifier.
 *
 * A project is an account: its number is twelve digits that follow from its name. Any region is taken, and the one that a
 * request was signed for is shown.
 */
import { accountIdOf } from "../../core/account.ts";
import { PRODUCTION } from "../../core/deployment.ts";
import { NAME_EXPECTED, NAME_PATTERN } from "../fields.ts";
import { invalid, LambdaError } from "./failures.ts";

/** What unqualified calls call: the alias `production`, to which routes lead. */
export const LATEST = "$LATEST";

/** Whose functions a request is about, and how they are shown. */
export interface Account {
  readonly project: string;
  readonly region: string;
}

/** A function that a request names. */
export interface FunctionName {
  readonly name: string;
  /** A version's number, an alias, or whatever names a version; undefined for `$LATEST`. */
  readonly qualifier: string | undefined;
}

const REFERENCE_LENGTH_MAX = 256;
const QUALIFIER = /^[\w$-]{1,128}$/;
const REFERENCE =
  /^(?:arn:[\w-]+:lambda:[a-z0-9-]+:)?(?:(?<account>\d{12}):function:)?(?<name>[\w-]{1,64})(?::(?<qualifier>[\w$-]{1,128}))?$/;

/** The ARN of a function. */
export function arnOf({ project, region }: Account, name: string, qualifier?: string): string {
  const base = `arn:aws:lambda:${region}:${accountIdOf(project)}:function:${name}`;
  return qualifier === undefined ? base : `${base}:${qualifier}`;
}

/**
 * Reads what names a function.
 * @param asked the `Qualifier` that stands beside it
 * @throws {LambdaError} `InvalidParameterValueException`, `ResourceNotFoundException`
 */
export function readFunctionName(reference: string, asked: string | null, account: Account): FunctionName {
  const found = reference.length > REFERENCE_LENGTH_MAX ? undefined : REFERENCE.exec(reference)?.groups;
  const { name = "", account: accountId, qualifier: own } = found ?? {};
  const isArn = reference.startsWith("arn:");
  if (found === undefined || (isArn && accountId === undefined)) {
    invalid(`Cannot read the function name "${reference.slice(0, 100)}": expected a name, or an ARN of a function.`);
  }
  if (accountId !== undefined && accountId !== accountIdOf(account.project)) {
    // Whether another project has such a function is its own business.
    throw notFound(account, name);
  }
  if (asked !== null && !QUALIFIER.test(asked)) invalid(`Cannot read the Qualifier "${asked.slice(0, 100)}".`);
  if (asked !== null && own !== undefined && asked !== own) {
    invalid(`The derived qualifier from the function name does not match the specified qualifier "${asked}".`);
  }
  return { name, qualifier: qualifierOf(asked ?? own) };
}

/** `production` and `$LATEST` are one. */
function qualifierOf(text: string | undefined): string | undefined {
  return text === undefined || text === LATEST || text === PRODUCTION ? undefined : text;
}

/** @throws {LambdaError} for what cannot be the name of a new function or alias */
export function checkNewName(what: string, text: string): void {
  if (text.length <= 40 && NAME_PATTERN.test(text)) return;
  invalid(`Cannot name the ${what} "${text.slice(0, 100)}": expected ${NAME_EXPECTED}.`);
}

/** What is said of a function that is not there. */
export function notFound(account: Account, name: string, qualifier?: string): LambdaError {
  return new LambdaError("ResourceNotFoundException", `Function not found: ${arnOf(account, name, qualifier)}`);
}
