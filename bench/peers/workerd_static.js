// The least that workerd can do with a request.
export default {
  fetch: () => new Response("hello world"),
};
