// Answers POSTed 28 × 28 images (784 bytes, bright ink on dark) with the digit that they show:
//   node serve.ts, then: curl --data-binary @image.raw http://127.0.0.1:8080
import { createServer } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { InferenceSession, Tensor } from 'onnxruntime-node';

const session = await InferenceSession.create('models/cnn-seed0.onnx');

async function classify(pixels: Uint8Array): Promise<{ digit: number; probability: number }> {
  const image = new Tensor('float32', Float32Array.from(pixels, (p) => p / 255), [1, 1, 28, 28]);
  const { probabilities } = await session.run({ image });
  const values = probabilities.data as Float32Array;
  const probability = Math.max(...values);
  return { digit: values.indexOf(probability), probability };
}

const server = createServer(async (request, response) => {
  const pixels = await buffer(request);
  if (pixels.length !== 784) {
    response.writeHead(400).end(`784 bytes wanted, ${pixels.length} given\n`);
    return;
  }
  response.setHeader('content-type', 'application/json');
  response.end(JSON.stringify(await classify(pixels)) + '\n');
});

server.listen(8080, '127.0.0.1');
