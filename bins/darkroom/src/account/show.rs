//! All that is known of an account.

use std::io::{Write as _, stdout};

use custody::Custody;
use domain::{
    account::{KeyPair, State},
    id::AccountId,
    limits::{Limits, Quotas},
    scope::Scope,
    sealed::field,
};
use eventlog::Log;
use service::Failure;

use super::known;
use crate::{export, operator::Operator};

pub(super) async fn show(id: AccountId, operator: &Operator) -> Result<(), Failure> {
    let settings = operator.settings()?;
    let way = operator.reach().await?;
    let log = Log::connect(&way.nats, "operator").await?;
    let shown = async {
        let state = known(&log, id).await?;
        let custody = export::custody(&log, &settings).await?;
        lines(id, &state, &custody).await
    };
    let shown = shown.await;
    way.close().await;
    for (name, value) in shown? {
        writeln!(stdout(), "{name:<16}{value}")?;
    }
    Ok(())
}

async fn lines(
    id: AccountId,
    state: &State,
    custody: &Custody,
) -> Result<Vec<(&'static str, String)>, Failure> {
    let mut lines = vec![("account", id.to_string())];
    if let Some(sealed) = &state.label {
        lines.push(("label", custody.open_for_account(id, field::LABEL, sealed).await?));
    }
    lines.extend(state.opened_at.map(|at| ("opened", at.to_string())));
    lines.extend(state.erasure_requested_at.map(|at| ("erasing since", at.to_string())));
    lines.extend(state.erased_at.map(|at| ("erased", at.to_string())));
    for pair in state.applications.values() {
        lines.push(("key pair", pair_in_words(id, pair, custody).await?));
    }
    lines.push(match &state.destination {
        None => ("results in", "development storage".to_owned()),
        Some(own) => {
            let place = &own.place;
            let endpoint = place.endpoint.as_deref().unwrap_or("AWS");
            ("results in", format!("s3://{}/{} at {endpoint}", place.bucket, place.prefix))
        }
    });
    if let Some((proof, at)) = &state.knowledge.proven {
        lines.push(("proof", format!("{:?} as of {at}", proof.standing())));
    }
    let demanded = if state.write_only_demanded { "demanded" } else { "not demanded" };
    lines.push(("write-only", demanded.to_owned()));
    lines.push(("uploads", if state.keeps_media { "kept" } else { "removed" }.to_owned()));
    let limits = Limits::default().beside(&state.limits);
    let quotas = Quotas::default().beside(&state.quotas);
    for (what, own) in [("limit", limits), ("quota", quotas)] {
        let own = own.into_iter().filter_map(|(name, _, own)| Some((name, own?)));
        lines.extend(own.map(|(name, value)| (what, format!("{name} = {value}"))));
    }
    Ok(lines)
}

async fn pair_in_words(
    account: AccountId,
    pair: &KeyPair,
    custody: &Custody,
) -> Result<String, Failure> {
    let terms = &pair.application.terms;
    let mut words = vec![pair.application.application.to_string(), pair.application.key.clone()];
    if let Some(sealed) = &terms.label {
        words.push(custody.open_for_account(account, field::LABEL, sealed).await?);
    }
    words.push(match &terms.scopes {
        None => "every scope".to_owned(),
        Some(scopes) => {
            scopes.iter().map(|scope| Scope::name(*scope)).collect::<Vec<_>>().join(",")
        }
    });
    words.extend(terms.expires_at.map(|at| format!("expires {at}")));
    words.push(match pair.used_on {
        Some(on) => format!("last used {on}"),
        None => "never used".to_owned(),
    });
    Ok(words.join("  "))
}
