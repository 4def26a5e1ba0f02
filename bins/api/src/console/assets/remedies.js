// What a person can do about what went wrong with a job, by its code. What it was, the API says.

const OPEN = 'See that the URL opens from outside, then ask again.';
const WAIT = 'It was tried several times. See that its server answers, then ask again.';
const LESS = 'Ask for less, or have the limits of the account raised (see Usage).';
const KEYS = 'Set the destination anew, and test it on its page.';
const OURS = 'Nothing is wrong with your request. Ask again; if it fails again, give the operator the id of this job.';

export const REMEDIES = {
  source_not_found: OPEN,
  source_denied: 'Ask again with a pre-signed URL, or upload the file.',
  source_refused: OPEN,
  source_forbidden: 'Files are read from public addresses alone: upload the file instead.',
  source_invalid: 'Ask again with a whole URL: https://example.com/photograph.jpg',
  source_unavailable: WAIT,
  source_unreachable: WAIT,
  source_timeout: WAIT,
  source_too_large: LESS,
  source_empty: 'Look at the file: nothing is in it.',
  source_changed: 'Ask again once nobody writes to the file any more.',
  unsupported: 'Convert the file first; docs/FILES.md names what can be read.',
  corrupt: 'Open the file in the program that made it, save it anew, and ask again.',
  too_many_pixels: LESS,
  output_too_large: LESS,
  no_such_page: 'Ask again for pages that are there.',
  capability_missing: 'Ask again without it, or have the operator run: darkroom doctor',
  language_missing: 'Ask again in another language; darkroom doctor lists those that are installed.',
  renderer_memory: LESS,
  renderer_timeout: LESS,
  renderer_crashed: 'Open the file in the program that made it, save it anew, and ask again.',
  quarantined: 'Open the file in the program that made it, save it anew, and ask again.',
  destination_denied: 'Paste the policy from the destination\'s page into your bucket\'s account.',
  destination_missing: 'Make the bucket, or set the destination to one that exists.',
  destination_unavailable: WAIT,
  destination_full: 'Make room in the bucket, then ask again.',
  destination_invalid: 'The destination\'s page says what its server refuses.',
  destination_not_write_only: 'Take the right to read away from the credentials, and test the destination again.',
  destination_credentials: KEYS,
  destination_forbidden: 'Set the destination to a public address, or have the operator allow this one.',
  destination_timeout: WAIT,
  worker_lost: OURS,
  encrypted: 'Save the file without its password, and ask again.',
  expands_too_much: LESS,
  too_long: LESS,
  clock_skew: 'Have the clocks of the destination\'s server and of this service set right.',
  upload_missing: 'Upload the file again.',
  input_missing: 'Set an input for this bucket with PUT /v1/inputs, and ask again.',
  internal: OURS,
};

export const remedy = code => REMEDIES[code] ?? OURS;
