//! `POST /v1/uploads/{id}/complete`: all parts have been sent.

use std::{collections::BTreeMap, sync::Arc};

use domain::{
    scope::Scope,
    upload::{self, Phase, Plan, Refusal, State, Upload, Uploads},
};
use eventlog::Moment;
use http::StatusCode;
use serde::Deserialize;
use warp::reply::Response;

use crate::{
    app::App,
    auth::Access,
    call::{self, Call},
    document::Doc,
    problem::Problem,
    routes::{
        Endpoint, Verb,
        v1::uploads::{
            AskedChecksum, body, failed, find, unreachable,
            view::{UploadView, plan},
        },
    },
};

pub(crate) const POST: Endpoint = Endpoint {
    verb: Verb::Post,
    path: "/v1/uploads/{id}/complete",
    access: Access::CallerOrOrigin(Scope::UploadsWrite),
    handler: |app, call| Box::pin(post(app, call)),
    doc: Doc {
        summary: "Has the file made of its parts and held against size and checksum: its state is `verifying` until that is done, then `uploaded` or `rejected`.",
        parameters: &[],
        request: Some("UploadComplete"),
        status: 202,
        answer: "Upload",
        streams: false,
    },
};

/// What is asked for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Asked {
    parts: Vec<AskedPart>,
    #[serde(default)]
    checksum: Option<AskedChecksum>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AskedPart {
    number: u64,
    etag: String,
}

async fn post(app: Arc<App>, call: Call) -> Result<Response, Problem> {
    let (id, upload) = find(&app, &call).await?;
    let asked: Asked = body(&call)?;
    let checksum = match &asked.checksum {
        Some(given) => given.read()?,
        None => upload.started.checksum.clone().ok_or(Problem::FieldMissing("checksum"))?,
    };
    let sent = sent(&asked.parts, &plan(&upload))?;
    if upload.phase == Phase::Open {
        compare(&app, &id, &upload, &sent).await?;
    }
    let now = app.clock.now();
    let moment = Moment { now, traceparent: call.traceparent() };
    let completed = app
        .log
        .transact::<Uploads, Refusal>(&id, moment, |state| {
            upload::request_completion(state, &checksum, now)
        })
        .await
        .map_err(|error| failed(error, &call.quoted_id()))?;
    let State::Present(upload) = completed.loaded.state else { return Err(Problem::Internal) };
    call::json(StatusCode::ACCEPTED, &UploadView::open(&app, &id, &upload).await?)
}

/// The tags of all parts, each named once.
fn sent<'a>(parts: &'a [AskedPart], plan: &Plan) -> Result<BTreeMap<u64, &'a str>, Problem> {
    let invalid = |message| Problem::FieldInvalid { field: "parts", message };
    let mut sent = BTreeMap::new();
    for AskedPart { number, etag } in parts {
        if plan.part(*number).is_none() {
            let count = plan.count();
            return Err(invalid(format!("There is no part {number}: there are 1 to {count}.")));
        }
        if sent.insert(*number, etag.trim_matches('"')).is_some() {
            return Err(invalid(format!("Part {number} is named twice.")));
        }
    }
    match (1..=plan.count()).find(|number| !sent.contains_key(number)) {
        Some(missing) => Err(invalid(format!("Part {missing} is not named."))),
        None => Ok(sent),
    }
}

/// Holds what the caller says was sent against what the bucket has.
async fn compare(
    app: &App,
    id: &upload::Id,
    upload: &Upload,
    sent: &BTreeMap<u64, &str>,
) -> Result<(), Problem> {
    let conflict = |code, message| Err(Problem::Conflict { code, message });
    let name = app.custody.open_multipart(id, &upload.started.multipart).await?;
    let found = app.custody.uploads().parts(&upload.started.key, &name).await;
    let Some(found) = found.map_err(|error| unreachable(&error))? else {
        let message = "The bucket has let go of the parts: begin another upload.".to_owned();
        return conflict("upload_gone", message);
    };
    let plan = plan(upload);
    for (number, etag) in sent {
        let wanted = plan.part(*number).map_or(0, |(_, size_bytes)| size_bytes);
        match found.get(number) {
            None => {
                let message = format!("Part {number} has not been received: send it again.");
                return conflict("part_missing", message);
            }
            Some(part) if part.size_bytes != wanted => {
                let size_bytes = part.size_bytes;
                let message = format!(
                    "Part {number} has {size_bytes} bytes instead of {wanted}: send it again."
                );
                return conflict("part_size", message);
            }
            Some(part) if !part.etag.is_empty() && part.etag != *etag => {
                let message = format!("Part {number} has another ETag: send it again.");
                return conflict("part_changed", message);
            }
            Some(_) => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(numbers: &[u64]) -> Result<usize, Problem> {
        let part = |number: &u64| AskedPart { number: *number, etag: "\"e\"".to_owned() };
        let parts: Vec<_> = numbers.iter().map(part).collect();
        let plan = Plan::new(40 << 20, None).unwrap();
        sent(&parts, &plan).map(|sent| {
            assert!(sent.values().all(|etag| *etag == "e"));
            sent.len()
        })
    }

    #[test]
    fn every_part_is_named_once_in_any_order() {
        assert_eq!(named(&[3, 1, 2]), Ok(3));
        for (numbers, said) in [
            (vec![1, 3], "Part 2 is not named."),
            (vec![], "Part 1 is not named."),
            (vec![1, 2, 2, 3], "Part 2 is named twice."),
            (vec![1, 2, 3, 4], "There is no part 4: there are 1 to 3."),
            (vec![0, 1, 2, 3], "There is no part 0: there are 1 to 3."),
        ] {
            let message = said.to_owned();
            assert_eq!(named(&numbers), Err(Problem::FieldInvalid { field: "parts", message }));
        }
    }
}
