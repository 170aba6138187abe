// curl localhost:8080/run --data-binary @examples/mandelbrot.ts
//
// A program without a default export is a script: what it prints is the answer, line by line.

const SHADES = " .:-=+*#%@";
const STEPS_MAX = 500;

function stepsToEscape(x: number, y: number): number {
  let [re, im] = [0, 0];
  for (let step = 0; step < STEPS_MAX; step++) {
    [re, im] = [re * re - im * im + x, 2 * re * im + y];
    if (re * re + im * im > 4) return step;
  }
  return STEPS_MAX;
}

for (let row = -11.5; row <= 11.5; row++) {
  let line = "";
  for (let column = -50; column <= 22; column++) {
    const depth = Math.log(stepsToEscape(column / 22, row / 10) + 1) / Math.log(STEPS_MAX + 1);
    line += SHADES[Math.min(SHADES.length - 1, Math.floor(depth * SHADES.length))];
  }
  console.log(line);
}
