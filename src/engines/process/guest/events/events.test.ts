/** Events against the shapes that AWS and the CloudEvents specification publish; what through a server cannot be seen. */
import { describe, expect, test } from "bun:test";
import { cloudEvent } from "./cloud_event.ts";
import { EventError, type HttpRequest, httpEvent, httpResult } from "./http_event.ts";

const request = (more: Partial<HttpRequest> = {}): HttpRequest => ({
  ...{ requestId: "id", method: "POST", url: "https://api.example.com/my/path?p=1&p=2&q=v", params: undefined },
  ...{ headers: [], body: new Uint8Array(0), now: Date.UTC(2020, 2, 12, 19, 3, 58) },
  ...more,
});
const text = ({ body }: { readonly body: Uint8Array }) => Buffer.from(body).toString("utf8");

describe("a request as AWS's event", () => {
  test("has the members of payload 2.0", () => {
    const headers = [
      ["Header1", "value1"],
      ["Header2", "value1"],
      ["Header2", "value2"],
      ["Cookie", "c1=1; c2=2"],
    ] as const;
    const event = httpEvent(request({ headers, body: Buffer.from("Hello"), params: { name: "ada" } }));
    expect(event).toEqual({
      version: "2.0",
      routeKey: "$default",
      rawPath: "/my/path",
      rawQueryString: "p=1&p=2&q=v",
      cookies: ["c1=1", "c2=2"],
      headers: { header1: "value1", header2: "value1,value2" },
      queryStringParameters: { p: "1,2", q: "v" },
      requestContext: {
        accountId: "anonymous",
        apiId: "api",
        domainName: "api.example.com",
        domainPrefix: "api",
        http: { method: "POST", path: "/my/path", protocol: "HTTP/1.1", sourceIp: "127.0.0.1", userAgent: "" },
        requestId: "id",
        routeKey: "$default",
        stage: "$default",
        time: "12/Mar/2020:19:03:58 +0000",
        timeEpoch: 1584039838000,
      },
      pathParameters: { name: "ada" },
      body: "Hello",
      isBase64Encoded: false,
    });
  });

  test("leaves out what there is not", () => {
    const event = httpEvent(request({ url: "http://x/" }));
    for (const member of ["cookies", "queryStringParameters", "pathParameters", "body"])
      expect(member in event).toBeFalse();
  });

  test("has a body as text when its type and its bytes say so, else in base64", () => {
    const cases: readonly (readonly [type: string, body: Uint8Array, base64: boolean])[] = [
      ["text/csv", Buffer.from("é"), false],
      ["application/json; charset=utf-8", Buffer.from("{}"), false],
      ["application/vnd.api+json", Buffer.from("{}"), false],
      ["application/xml", Buffer.from("<a/>"), false],
      ["application/x-www-form-urlencoded", Buffer.from("a=b"), true],
      ["image/png", Buffer.from("a"), true],
      ["text/plain", Uint8Array.of(0xff), true],
    ];
    for (const [type, body, base64] of cases) {
      const event = httpEvent(request({ headers: [["content-type", type]], body }));
      expect([type, event["isBase64Encoded"]]).toEqual([type, base64]);
      expect(Buffer.from(event["body"] as string, base64 ? "base64" : "utf8")).toEqual(Buffer.from(body));
    }
  });

  test("names that are members of every object are names like any other", () => {
    const event = httpEvent(request({ url: "http://x/?__proto__=1&constructor=2", headers: [["constructor", "a"]] }));
    expect((event["queryStringParameters"] as Record<string, string>)["constructor"]).toBe("2");
    expect((event["headers"] as Record<string, string>)["constructor"]).toBe("a");
  });
});

describe("a result", () => {
  test("with statusCode is the answer", () => {
    const said = {
      statusCode: 201,
      headers: { "X-A": "b", many: ["1", "2"] },
      cookies: ["a=1", "b=2"],
      body: "aGk=",
      isBase64Encoded: true,
    };
    const result = httpResult(JSON.stringify(said));
    expect([result.status, text(result)]).toEqual([201, "hi"]);
    expect(result.headers).toEqual([
      ...([
        ["x-a", "b"],
        ["many", "1"],
        ["many", "2"],
        ["set-cookie", "a=1"],
        ["set-cookie", "b=2"],
      ] as [string, string][]),
      ["content-type", "application/json"],
    ]);
  });

  test("without it is the body, as JSON with status 200", () => {
    for (const json of ['{"a":1}', '"text"', "null", "[1]", "3"]) {
      const result = httpResult(json);
      expect([result.status, result.headers, text(result)]).toEqual([
        200,
        [["content-type", "application/json"]],
        json,
      ]);
    }
  });

  test("that cannot be sent is an error which says why", () => {
    for (const json of [
      "{",
      '{"statusCode":"x"}',
      '{"statusCode":101}',
      '{"statusCode":200,"headers":{"a b":"c"}}',
      '{"statusCode":200,"headers":{"a":"b\\r\\nc: d"}}',
      '{"statusCode":200,"headers":{"a":{}}}',
      '{"statusCode":200,"cookies":["a\\n"]}',
      '{"statusCode":200,"body":3}',
    ]) {
      expect(() => httpResult(json)).toThrow(EventError);
    }
  });
});

describe("a request as a CloudEvent", () => {
  test("is one of ours when it is none", () => {
    expect(cloudEvent(request({ headers: [["content-type", "application/json"]], body: Buffer.from("[1]") }))).toEqual({
      ...{
        specversion: "1.0",
        id: "id",
        source: "https://api.example.com",
        type: "dev.isopod.http.request",
        method: "post",
      },
      ...{ subject: "/my/path?p=1&p=2&q=v", time: "2020-03-12T19:03:58.000Z" },
      ...{ datacontenttype: "application/json", data: [1] },
    });
  });

  test("has data that is no text in base64, and JSON that is none as text", () => {
    const png = cloudEvent(request({ headers: [["content-type", "image/png"]], body: Uint8Array.of(255) }));
    expect(png["data_base64"]).toBe("/w==");
    const broken = cloudEvent(request({ headers: [["content-type", "application/json"]], body: Buffer.from("{") }));
    expect(broken["data"]).toBe("{");
  });

  test("with some of the headers of one is no CloudEvent of its own", () => {
    const event = cloudEvent(
      request({
        headers: [
          ["ce-id", "7"],
          ["ce-type", "t"],
        ],
      }),
    );
    expect(event["type"]).toBe("dev.isopod.http.request");
  });
});
