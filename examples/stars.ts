// curl localhost:8080/stars/oven-sh/bun
//
// The function reaches api.github.com because its `egress` in isopod.toml says so, and nothing else.

interface Repository {
  full_name: string;
  description: string | null;
  stargazers_count: number;
}

export default {
  async fetch(request: Request, _env: unknown, ctx: { params: { owner: string; repo: string } }): Promise<Response> {
    const { owner, repo } = ctx.params;
    const url = `https://api.github.com/repos/${encodeURIComponent(owner)}/${encodeURIComponent(repo)}`;
    const answer = await fetch(url, { headers: { "user-agent": "isopod-example" }, signal: request.signal });
    if (!answer.ok) return Response.json({ error: `GitHub answered ${answer.status}.` }, { status: 502 });
    const { full_name, description, stargazers_count } = (await answer.json()) as Repository;
    return Response.json({ name: full_name, about: description, stars: stargazers_count });
  },
};
