/** `isopod queues`: how full queues are, and what is done with their messages by hand. */
import { Command } from "commander";
import { adminClient } from "./reaching/admin_client.ts";
import {
  addSharedOptions,
  printJson,
  type RemovalOptions,
  type SharedOptions,
  yesOption,
} from "./reaching/command_options.ts";
import { mayRemove } from "./terminal/ask.ts";
import { ago, byteSize, cell, table } from "./terminal/table.ts";
import { paintFor } from "./terminal/terminal.ts";

interface QueueRow {
  readonly name: string;
  readonly messages: number;
  readonly bytes: number;
  readonly inFlight: number;
  readonly oldestAt?: number;
  readonly consumer?: string;
  readonly deadLetter?: string;
}

const HELP = `
Examples:
  isopod queues
  isopod queues purge jobs-dead             removes its messages; asks, --yes in a script
  isopod queues redrive jobs-dead jobs      sends them anew
`;

/** The command. */
export function queuesCommand(): Command {
  const command = new Command("queues").description("List the queues, empty one, or send its messages anew.");
  addSharedOptions(command, "[{name, messages, bytes, inFlight, oldestAt, consumer, deadLetter}]")
    .addHelpText("after", HELP)
    .action(list);
  const purge = new Command("purge").description("Remove all messages of a queue.").argument("<queue>", "the queue");
  command.addCommand(addSharedOptions(purge.addOption(yesOption()), "{messages}").action(empty));
  const redrive = new Command("redrive")
    .description("Move all messages of a queue to another one.")
    .argument("<queue>", "the queue")
    .argument("<to>", "where they go");
  const redriven = (queue: string, to: string, options: SharedOptions) => move(queue, "redrive", { to }, options);
  command.addCommand(addSharedOptions(redrive, "{messages}").action(redriven));
  return command;
}

async function list(options: SharedOptions): Promise<void> {
  const client = adminClient(options);
  const rows = await client.list<QueueRow>(client.inProject("/queues"));
  if (options.json) return printJson(rows);
  if (rows.length === 0) return void process.stdout.write("There are no queues with messages or consumers.\n");
  const lines = rows.map(({ name, messages, bytes, inFlight, oldestAt, consumer = "", deadLetter = "" }) => {
    const oldest = oldestAt === undefined ? "" : ago(oldestAt);
    return [name, String(messages), String(inFlight), byteSize(bytes), oldest, cell(consumer), deadLetter];
  });
  const numbers = ["messages", "in flight", "size"].map((title) => ({ title, align: "right" as const }));
  const heads = ["queue", ...numbers, "oldest", "consumer", "dead letters"];
  process.stdout.write(table(heads, lines, paintFor(process.stdout)));
}

async function empty(queue: string, options: RemovalOptions): Promise<void> {
  const { origin } = adminClient(options).target.url;
  if (await mayRemove({ verb: "remove", what: `all messages of ${queue}`, origin }, options.yes))
    await move(queue, "purge", {}, options);
}

async function move(queue: string, action: string, body: object, options: SharedOptions): Promise<void> {
  const client = adminClient(options);
  const path = client.inProject(`/queues/${encodeURIComponent(queue)}/${action}`);
  const { messages } = await client.post<{ readonly messages: number }>(path, body);
  if (options.json) return printJson({ messages });
  process.stdout.write(`${messages} ${messages === 1 ? "message has" : "messages have"} left ${queue}\n`);
}
