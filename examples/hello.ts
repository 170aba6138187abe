// curl localhost:8080/hello/Ada

interface Env {
  GREETING: string;
}

export default {
  fetch(_request: Request, env: Env, ctx: { params: { name?: string } }): Response {
    return new Response(`${env.GREETING}, ${ctx.params.name ?? "world"}!\n`);
  },
};
