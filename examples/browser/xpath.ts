/** What XPath finds in a page: curl 'localhost:8080/xpath?q=//a/@href' -d '<p><a href=/one>1</a> <a href=/two>2</a>' */
export default {
  async fetch(request: Request): Promise<Response> {
    const query = new URL(request.url).searchParams.get("q") ?? "//title";
    const parsed = new DOMParser().parseFromString(await request.text(), "text/html");
    try {
      const found = parsed.evaluate(query, parsed, null, XPathResult.ORDERED_NODE_SNAPSHOT_TYPE, null);
      const texts = Array.from({ length: found.snapshotLength }, (_, at) => found.snapshotItem(at)?.textContent ?? "");
      return Response.json(texts);
    } catch (error) {
      return Response.json({ error: String(error) }, { status: 400 });
    }
  },
};
