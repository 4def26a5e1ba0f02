// sharp as its users write it, and in two ways that save decodes:
//
//   separate   one pipeline per size, from the bytes
//   clone      one pipeline, cloned for each size
//   chained    one decode to the largest size, the others from its pixels
//
//   node sharp.cjs FOLDER
//   {"way": W, "jobs": N, "source": PATH, "format": "jpg", "widths": [...]}: draws N times, answers {"cpu_s", "wall_s",
//   "peak_bytes", "bytes": [...]}, and leaves the last pictures in FOLDER
//   {"make": PATH, "source": PATH, "options": {"png": {...}}}: writes a picture in another format
const fs = require('node:fs');
const path = require('node:path');
const readline = require('node:readline');
const sharp = require('sharp');

const [folder] = process.argv.slice(2);
const WRITERS = {
  jpg: (picture) => picture.jpeg({ quality: 80 }),
  png: (picture) => picture.png(),
  webp: (picture) => picture.webp({ quality: 80 }),
};
// Larger than what anybody draws here, and no check that we leave out.
const INPUT = { limitInputPixels: false };

const ways = {
  separate: (bytes, widths, write) =>
    Promise.all(widths.map((width) => write(sharp(bytes, INPUT).resize(width)).toBuffer())),
  clone: (bytes, widths, write) => {
    const pipeline = sharp(bytes, INPUT);
    return Promise.all(widths.map((width) => write(pipeline.clone().resize(width)).toBuffer()));
  },
  chained: async (bytes, widths, write) => {
    const [first, ...others] = widths;
    const { data, info } = await sharp(bytes, INPUT).resize(first).raw().toBuffer({ resolveWithObject: true });
    const raw = { raw: { width: info.width, height: info.height, channels: info.channels } };
    return Promise.all([
      write(sharp(data, raw)).toBuffer(),
      ...others.map((width) => write(sharp(data, raw).resize(width)).toBuffer()),
    ]);
  },
};

async function draw({ way, jobs, source, format, widths }) {
  const original = fs.readFileSync(source);
  const begun = process.hrtime.bigint();
  const cpu = process.cpuUsage();
  let pictures = [];
  for (let job = 0; job < jobs; job += 1) {
    // Bytes of its own for every job: no cache of an earlier one fits.
    pictures = await ways[way](Buffer.from(original), widths, WRITERS[format]);
  }
  const { user, system } = process.cpuUsage(cpu);
  const wall = Number(process.hrtime.bigint() - begun) / 1e9;
  pictures.forEach((bytes, index) => fs.writeFileSync(path.join(folder, `${widths[index]}.${format}`), bytes));
  return {
    cpu_s: (user + system) / 1e6,
    wall_s: wall,
    peak_bytes: process.resourceUsage().maxRSS * 1024,
    bytes: pictures.map((bytes) => bytes.length),
  };
}

async function make({ make: to, source, options }) {
  const { space, ...formats } = options;
  let picture = sharp(source, INPUT);
  if (space) picture = picture.toColourspace(space);
  for (const [format, settings] of Object.entries(formats)) picture = picture.toFormat(format, settings);
  await picture.toFile(to);
  return {};
}

readline.createInterface({ input: process.stdin }).on('line', async (line) => {
  const command = JSON.parse(line);
  const answer = await (command.make ? make(command) : draw(command)).catch((error) => ({ error: error.message }));
  process.stdout.write(`${JSON.stringify(answer)}\n`);
});
