// curl localhost:8080/hello/Ada

export default {
  fetch(_request: Request, env: IsopodEnv["hello"], ctx: { params: { name?: string } }): Response {
    return new Response(`${env.GREETING}, ${ctx.params.name ?? "world"}!\n`);
  },
};
