//! What every event looks like, as JSON Schema, made from the types themselves.

use std::collections::BTreeMap;

use schemars::{JsonSchema, SchemaGenerator, generate::SchemaSettings};
use serde_json::Value;

use crate::{
    Aggregate, account::Accounts, delivery::Deliveries, endpoint::Endpoints, job::Jobs,
    member::Members, upload::Uploads,
};

/// Where schemas refer to each other, as in OpenAPI and AsyncAPI documents.
pub const DEFINITIONS: &str = "/components/schemas";

/// One kind of event.
#[derive(Debug, Clone)]
pub struct EventSchema {
    /// The noun in its subject: `job`.
    pub noun: &'static str,
    /// The stream that holds it.
    pub stream: &'static str,
    /// The last token of its subject: `completed`.
    pub name: String,
    /// What it says, in one sentence or two.
    pub description: String,
    /// The schema of its body (draft 7). References lead below [`DEFINITIONS`].
    pub body: Value,
}

/// The schemas of all events.
#[derive(Debug, Clone, Default)]
pub struct Schemas {
    /// Every kind, those of one noun in the order of their history.
    pub events: Vec<EventSchema>,
    /// What they refer to, by name.
    pub definitions: BTreeMap<String, Value>,
}

/// The schemas of all events, as events are read: fields that older events lack are optional.
#[must_use]
pub fn schemas() -> Schemas {
    let settings = SchemaSettings::draft07().with(|settings| {
        settings.definitions_path = DEFINITIONS.into();
        settings.meta_schema = None;
    });
    let mut generator = SchemaGenerator::new(settings);
    let mut schemas = Schemas::default();
    schemas.add::<Jobs>(&mut generator);
    schemas.add::<Accounts>(&mut generator);
    schemas.add::<Members>(&mut generator);
    schemas.add::<Uploads>(&mut generator);
    schemas.add::<Endpoints>(&mut generator);
    schemas.add::<Deliveries>(&mut generator);
    schemas
}

impl Schemas {
    /// Takes in the events of one aggregate: each is a variant of its enum.
    fn add<A: Aggregate>(&mut self, generator: &mut SchemaGenerator)
    where
        A::Event: JsonSchema,
    {
        let mut root = generator.root_schema_for::<A::Event>().to_value();
        let variants = root.get_mut("oneOf").map(Value::take);
        for body in variants.as_ref().and_then(Value::as_array).into_iter().flatten() {
            let Some(name) = body.pointer("/properties/event/const").and_then(Value::as_str) else {
                continue;
            };
            let description = body.get("description").and_then(Value::as_str).unwrap_or_default();
            self.events.push(EventSchema {
                noun: A::NOUN,
                stream: A::STREAM,
                name: name.to_owned(),
                description: description.replace('\n', " "),
                body: body.clone(),
            });
        }
        let definitions = root.pointer_mut(DEFINITIONS).and_then(Value::as_object_mut);
        let known = definitions.map(std::mem::take).unwrap_or_default();
        self.definitions.extend(known);
    }

    /// The schema that a reference leads to.
    #[must_use]
    pub fn resolve(&self, reference: &str) -> Option<&Value> {
        let name = reference.strip_prefix('#')?.strip_prefix(DEFINITIONS)?.strip_prefix('/')?;
        self.definitions.get(name)
    }
}
