/** A bar chart as a PNG: curl localhost:8080/chart -d '{"cats": 3, "dogs": 5}' -o chart.png */
import { BarController, BarElement, CategoryScale, Chart, LinearScale } from "chart.js";

Chart.register(BarController, BarElement, CategoryScale, LinearScale);

export default {
  async fetch(request: Request): Promise<Response> {
    const values = (await request.json()) as Record<string, number>;
    const canvas = document.createElement("canvas");
    canvas.width = 640;
    canvas.height = 360;
    const chart = new Chart(canvas, {
      type: "bar",
      data: {
        labels: Object.keys(values),
        datasets: [{ data: Object.values(values), backgroundColor: "#2a7de1" }],
      },
      options: { responsive: false, animation: false, scales: { y: { beginAtZero: true } } },
    });
    try {
      const blob = await new Promise<Blob | null>((resolve) => canvas.toBlob(resolve, "image/png"));
      return new Response(blob, { headers: { "content-type": "image/png" } });
    } finally {
      chart.destroy();
    }
  },
};
