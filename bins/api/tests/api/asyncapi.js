// Holds a document against the official schema of AsyncAPI, and events against the schemas in it.
const Ajv = require('ajv');
const specs = require('@asyncapi/specs');

const given = JSON.parse(require('fs').readFileSync(0, 'utf8'));
const wrong = [];

const official = new Ajv({ strict: false, allErrors: true, validateFormats: false });
const holds = official.compile(specs.schemasWithoutId[given.document.asyncapi]);
if (!holds(given.document)) {
  wrong.push(...holds.errors.map((error) => `document${error.instancePath}: ${error.message}`));
}

const own = new Ajv({ strict: false, allErrors: true, validateFormats: false, validateSchema: true });
for (const [name, schema] of Object.entries(given.document.components.schemas)) {
  if (!own.validateSchema(schema)) wrong.push(`${name} is no JSON Schema: ${own.errorsText()}`);
}
own.addSchema(given.document, 'document', undefined, false);
for (const [schema, event] of given.events) {
  const check = own.getSchema(`document#/components/schemas/${schema}`);
  if (!check) wrong.push(`there is no schema ${schema}`);
  else if (check(event) !== given.valid) {
    wrong.push(`${schema}: ${JSON.stringify(check.errors)} of ${JSON.stringify(event)}`);
  }
}

if (wrong.length > 0) {
  console.error(wrong.slice(0, 20).join('\n'));
  process.exit(1);
}
console.log(given.events.length);
