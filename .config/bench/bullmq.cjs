// BullMQ as its users write it: one process adds jobs one by one, another works on them.
//
//   node bullmq.cjs add PORT          {"add": N, "adders": M}: adds N jobs, M at a time; answers {"added": N}
//   node bullmq.cjs work PORT SLOTS   says {"ready": true}; {"expect": N} is answered at once by {"expecting": N}, and by
//                                     {"completed": N} once that many jobs have been completed since
const { Queue, Worker } = require('bullmq');
const readline = require('node:readline');

const [role, port, slots] = process.argv.slice(2);
const connection = { host: '127.0.0.1', port: Number(port), maxRetriesPerRequest: null };
const say = (result) => process.stdout.write(`${JSON.stringify(result)}\n`);
const commands = readline.createInterface({ input: process.stdin });
commands.on('close', () => process.exit(0));

const payload = { url: 'http://127.0.0.1:9/photo.jpg', sizes: ['640x480'] };

if (role === 'add') {
  const queue = new Queue('empty', { connection });
  commands.on('line', async (line) => {
    const { add, adders } = JSON.parse(line);
    let left = add;
    const adder = async () => {
      while (left > 0) {
        left -= 1;
        await queue.add('preview', payload);
      }
    };
    await Promise.all(Array.from({ length: adders }, adder));
    say({ added: add });
  });
} else {
  const worker = new Worker('empty', async () => {}, { connection, concurrency: Number(slots) });
  let completed = 0;
  let expected = Infinity;
  worker.on('completed', () => {
    completed += 1;
    if (completed === expected) say({ completed });
  });
  worker.on('error', (error) => process.stderr.write(`${error.stack}\n`));
  commands.on('line', (line) => {
    completed = 0;
    expected = JSON.parse(line).expect;
    say({ expecting: expected });
  });
  worker.waitUntilReady().then(() => say({ ready: true }));
}
