// sharp as its users write it, and in two ways that save decodes:
//
//   separate   one pipeline per size, from the bytes
//   clone      one pipeline, cloned for each size
//   chained    one decode to the largest size, the others from its pixels
//
//   node sharp.cjs SOURCE FOLDER
//   {"way": W, "jobs": N}: draws N times, answers {"cpu_s", "wall_s", "peak_bytes", "bytes": [...]}, and leaves the
//   last pictures in FOLDER
const fs = require('node:fs');
const path = require('node:path');
const readline = require('node:readline');
const sharp = require('sharp');

const [source, folder] = process.argv.slice(2);
const WIDTHS = [1920, 640, 256];
const JPEG = { quality: 80 };
const original = fs.readFileSync(source);

const ways = {
  separate: (bytes) => Promise.all(WIDTHS.map((width) => sharp(bytes).resize(width).jpeg(JPEG).toBuffer())),
  clone: (bytes) => {
    const pipeline = sharp(bytes);
    return Promise.all(WIDTHS.map((width) => pipeline.clone().resize(width).jpeg(JPEG).toBuffer()));
  },
  chained: async (bytes) => {
    const [first, ...others] = WIDTHS;
    const { data, info } = await sharp(bytes).resize(first).raw().toBuffer({ resolveWithObject: true });
    const raw = { raw: { width: info.width, height: info.height, channels: info.channels } };
    return Promise.all([
      sharp(data, raw).jpeg(JPEG).toBuffer(),
      ...others.map((width) => sharp(data, raw).resize(width).jpeg(JPEG).toBuffer()),
    ]);
  },
};

readline.createInterface({ input: process.stdin }).on('line', async (line) => {
  const { way, jobs } = JSON.parse(line);
  const begun = process.hrtime.bigint();
  const cpu = process.cpuUsage();
  let pictures = [];
  for (let job = 0; job < jobs; job += 1) {
    // Bytes of its own for every job: no cache of an earlier one fits.
    pictures = await ways[way](Buffer.from(original));
  }
  const { user, system } = process.cpuUsage(cpu);
  const wall = Number(process.hrtime.bigint() - begun) / 1e9;
  pictures.forEach((bytes, index) => fs.writeFileSync(path.join(folder, `${WIDTHS[index]}.jpg`), bytes));
  const result = {
    cpu_s: (user + system) / 1e6,
    wall_s: wall,
    peak_bytes: process.resourceUsage().maxRSS * 1024,
    bytes: pictures.map((bytes) => bytes.length),
  };
  process.stdout.write(`${JSON.stringify(result)}\n`);
});
