//! Answers held against the document that promises them.

use serde_json::Value;

/// What an answer lacks of what the document promises, or has beyond it; nothing when it is as promised.
pub(crate) fn departures(document: &Value, path: &str, verb: &str, body: &Value) -> Vec<String> {
    let responses = document["paths"][path][verb]["responses"].as_object().unwrap();
    let (_, response) = responses.iter().find(|(status, _)| *status != "default").unwrap();
    let mut schemas = response["content"].as_object().unwrap().values();
    let name = schemas.find_map(|content| content["schema"]["$ref"].as_str()).unwrap();
    let mut departures = Vec::new();
    hold(document, name, body, &mut departures);
    departures.into_iter().map(|what| format!("{verb} {path}: {what} in {body}")).collect()
}

fn hold(document: &Value, name: &str, body: &Value, departures: &mut Vec<String>) {
    let schema = &document["components"]["schemas"][name.rsplit('/').next().unwrap()];
    for part in schema["allOf"].as_array().into_iter().flatten() {
        if let Some(name) = part["$ref"].as_str() {
            let known =
                document["components"]["schemas"][name.rsplit('/').next().unwrap()]["required"]
                    .as_array()
                    .unwrap();
            lacking(known, body, departures);
        }
        lacking(part["required"].as_array().unwrap_or(&vec![]), body, departures);
    }
    lacking(schema["required"].as_array().unwrap_or(&vec![]), body, departures);
    if let (Some(properties), Some(fields)) = (schema["properties"].as_object(), body.as_object()) {
        let odd = fields.keys().filter(|field| !properties.contains_key(*field));
        departures.extend(odd.map(|field| format!("{field} is not described")));
    }
}

fn lacking(required: &[Value], body: &Value, departures: &mut Vec<String>) {
    let missing = required.iter().filter_map(Value::as_str);
    let missing = missing.filter(|field| body.get(field).is_none());
    departures.extend(missing.map(|field| format!("{field} is missing")));
}
