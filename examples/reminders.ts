// curl localhost:8080/reminders -d '{"text": "tea is ready", "seconds": 5}'   then `isopod logs --follow`
//
// A request puts a message into a queue and answers at once; the queue calls the function again when it is time. Every
// morning a schedule does the same.

interface Reminder {
  readonly text: string;
  readonly seconds: number;
}

interface Message {
  readonly body: Reminder;
  readonly attempts: number;
}

const DAY_SECONDS_MAX = 43_200;

export default {
  async fetch(request: Request, env: IsopodEnv["reminders"]): Promise<Response> {
    const { text, seconds = 0 } = (await request.json().catch(() => ({}))) as Partial<Reminder>;
    if (typeof text !== "string" || !(seconds >= 0 && seconds <= DAY_SECONDS_MAX)) {
      return new Response(`Expected {"text": "...", "seconds": 0 to ${DAY_SECONDS_MAX}}\n`, { status: 400 });
    }
    await env.REMINDERS.send({ text, seconds }, { delaySeconds: seconds });
    return new Response(`You will be told in ${seconds} seconds\n`, { status: 202 });
  },

  async queue(batch: { readonly messages: readonly Message[] }): Promise<void> {
    // Whatever this throws is tried again, three times, and then stands among the dead letters.
    for (const { body } of batch.messages) console.log(`Reminder: ${body.text}`);
  },

  async scheduled(_controller: { readonly scheduledTime: number }, env: IsopodEnv["reminders"]): Promise<void> {
    await env.REMINDERS.send({ text: "good morning", seconds: 0 });
  },
};
