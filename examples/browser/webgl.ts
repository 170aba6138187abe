/** A picture that a shader computes: curl localhost:8080/webgl?width=320 -o webgl.png */
const VERTEX = `#version 300 es
in vec2 at;
void main() { gl_Position = vec4(at, 0.0, 1.0); }`;

/** Red from left to right, green from bottom to top, and a blue disc. */
const FRAGMENT = `#version 300 es
precision highp float;
uniform vec2 size;
out vec4 color;
void main() {
  vec2 place = gl_FragCoord.xy / size;
  float disc = step(distance(gl_FragCoord.xy, size * 0.5), size.y * 0.25);
  color = vec4(mix(vec3(place, 0.0), vec3(0.0, 0.0, 1.0), disc), 1.0);
}`;

export default {
  async fetch(request: Request): Promise<Response> {
    const width = Math.min(4096, Number(new URL(request.url).searchParams.get("width") ?? 320));
    const canvas = new OffscreenCanvas(width, width);
    const gl = canvas.getContext("webgl2", { preserveDrawingBuffer: true });
    if (gl === null) return new Response("There is no WebGL\n", { status: 503 });
    const program = gl.createProgram();
    for (const [type, source] of [
      [gl.VERTEX_SHADER, VERTEX],
      [gl.FRAGMENT_SHADER, FRAGMENT],
    ] as const) {
      const shader = gl.createShader(type);
      if (shader === null) return new Response("There is no shader\n", { status: 503 });
      gl.shaderSource(shader, source);
      gl.compileShader(shader);
      gl.attachShader(program, shader);
    }
    gl.linkProgram(program);
    gl.useProgram(program);
    gl.bindBuffer(gl.ARRAY_BUFFER, gl.createBuffer());
    gl.bufferData(gl.ARRAY_BUFFER, new Float32Array([-1, -1, 3, -1, -1, 3]), gl.STATIC_DRAW);
    const at = gl.getAttribLocation(program, "at");
    gl.enableVertexAttribArray(at);
    gl.vertexAttribPointer(at, 2, gl.FLOAT, false, 0, 0);
    gl.uniform2f(gl.getUniformLocation(program, "size"), width, width);
    gl.drawArrays(gl.TRIANGLES, 0, 3);
    const png = await canvas.convertToBlob({ type: "image/png" });
    gl.getExtension("WEBGL_lose_context")?.loseContext();
    return new Response(png, { headers: { "content-type": "image/png" } });
  },
};
