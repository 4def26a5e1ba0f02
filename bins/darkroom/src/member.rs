//! `darkroom member`: the members of an account as their operator sees them.

use std::io::{Write as _, stdout};

use clap::{Args, Subcommand};
use custody::{Custody, member::offer_token};
use domain::{
    Aggregate as _, Timestamp,
    account::Accounts,
    id::{AccountId, MemberId},
    member::{self, Event, Id, Invitation, Members, Offer, Refusal, State, Totp},
    scope::Role,
};
use eventlog::{Log, Span};
use futures::StreamExt as _;
use service::{Clock, Failure, OrTry};

use crate::{
    exit::Exit,
    export,
    operator::{Operator, Way},
};

/// List, invite, change and remove the members of an account
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  darkroom member invite ACCOUNT alice@example.com --role owner
  darkroom member list ACCOUNT
  darkroom member role ACCOUNT alice@example.com admin
  darkroom member reset ACCOUNT alice@example.com
  darkroom member log-out ACCOUNT alice@example.com
  darkroom member remove ACCOUNT alice@example.com

A token is shown once. Hand it to whom it is for by a way that you trust: whoever has it can use it,
once, to join (POST /v1/joins) or to choose a new password (POST /v1/password-resets).")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Every member: id, address, role, and whether they have joined
    List {
        #[command(flatten)]
        of: Of,
    },
    /// Let somebody join; prints the token that does it
    Invite {
        #[command(flatten)]
        of: Of,
        /// Their address
        #[arg(value_name = "EMAIL")]
        email: String,
        /// What they will be: owner, admin, member or auditor
        #[arg(long, value_name = "ROLE", default_value = "member", value_parser = role)]
        role: Role,
    },
    /// Make a member something else, and end their sessions
    Role {
        #[command(flatten)]
        of: Of,
        /// Their id or address
        #[arg(value_name = "MEMBER")]
        member: String,
        /// What: owner, admin, member or auditor
        #[arg(value_name = "ROLE", value_parser = role)]
        role: Role,
    },
    /// Let a member choose a new password; prints the token that does it
    Reset {
        #[command(flatten)]
        of: Of,
        /// Their id or address
        #[arg(value_name = "MEMBER")]
        member: String,
        /// They lost what makes their one-time codes: ask for these no more
        #[arg(long)]
        clear_totp: bool,
    },
    /// End every session of a member
    LogOut {
        #[command(flatten)]
        of: Of,
        /// Their id or address
        #[arg(value_name = "MEMBER")]
        member: String,
    },
    /// Take a member, or an invitation, out of the account
    Remove {
        #[command(flatten)]
        of: Of,
        /// Their id or address
        #[arg(value_name = "MEMBER")]
        member: String,
    },
}

/// Whose members.
#[derive(Debug, Args)]
struct Of {
    /// The account
    #[arg(value_name = "ACCOUNT")]
    account: AccountId,
    #[command(flatten)]
    operator: Operator,
}

#[derive(Debug, thiserror::Error)]
enum MemberError {
    #[error("there is no account {0}")]
    NoAccount(AccountId),
    #[error("`{0}` is neither a member's id nor their address")]
    Name(String),
    #[error("`{0}` is no address such as alice@example.com")]
    Address(String),
    #[error("the account would have no owner")]
    LastOwner,
    #[error("the account is being erased")]
    Erased,
}

/// The log, what seals, and the time.
struct Desk<'a> {
    account: AccountId,
    log: Log,
    custody: Custody,
    settings: api::Sessions,
    clock: &'a dyn Clock,
}

/// Runs the command.
pub(crate) async fn run(arguments: Arguments, clock: &dyn Clock) -> Result<Exit, Failure> {
    match arguments.verb {
        Verb::List { of } => {
            let (desk, way) = Box::pin(of.open(clock)).await?;
            ending(Box::pin(desk.list()).await, way).await?;
        }
        Verb::Invite { of, email, role } => {
            let (desk, way) = Box::pin(of.open(clock)).await?;
            ending(Box::pin(desk.invite(&email, role)).await, way).await?;
        }
        Verb::Role { of, member, role } => {
            let (desk, way) = Box::pin(of.open(clock)).await?;
            ending(Box::pin(desk.set_role(&member, role)).await, way).await?;
        }
        Verb::Reset { of, member, clear_totp } => {
            let (desk, way) = Box::pin(of.open(clock)).await?;
            let totp = if clear_totp { Totp::Cleared } else { Totp::Kept };
            ending(Box::pin(desk.reset(&member, totp)).await, way).await?;
        }
        Verb::LogOut { of, member } => {
            let (desk, way) = Box::pin(of.open(clock)).await?;
            ending(Box::pin(desk.log_out(&member)).await, way).await?;
        }
        Verb::Remove { of, member } => {
            let (desk, way) = Box::pin(of.open(clock)).await?;
            ending(Box::pin(desk.remove(&member)).await, way).await?;
        }
    }
    Ok(Exit::Well)
}

async fn ending(done: Result<(), Failure>, way: Way) -> Result<(), Failure> {
    way.close().await;
    done
}

impl Of {
    async fn open(self, clock: &dyn Clock) -> Result<(Desk<'_>, Way), Failure> {
        let settings = self.operator.settings()?;
        let way = self.operator.reach().await?;
        let log = Log::connect(&way.nats, "operator").await?;
        let custody = export::custody(&log, &settings).await?;
        let account = self.account;
        let state = log.load::<Accounts>(&account).await?.state;
        state.opened_at.ok_or(MemberError::NoAccount(account)).or_try("darkroom account list")?;
        if !state.is_open() {
            return Err(MemberError::Erased.into());
        }
        Ok((Desk { account, log, custody, settings: settings.api.sessions, clock }, way))
    }
}

impl Desk<'_> {
    async fn list(&self) -> Result<(), Failure> {
        for (id, state) in self.members().await? {
            let Some(role) = state.role.map(Role::name) else { continue };
            let email = match &state.email {
                Some(sealed) => self.custody.open_email(&id, sealed).await?,
                None => String::new(),
            };
            let since = match state.joined_at {
                Some(at) => format!("joined {at}"),
                None => "invited".to_owned(),
            };
            let codes = if state.totp.is_some() { "  one-time codes" } else { "" };
            writeln!(stdout(), "{}  {email}  {role}  {since}{codes}", id.member)?;
        }
        Ok(())
    }

    async fn invite(&self, email: &str, role: Role) -> Result<(), Failure> {
        let email = email.trim();
        if !email.split_once('@').is_some_and(|(who, host)| !who.is_empty() && host.contains('.')) {
            return Err(MemberError::Address(email.to_owned()).into());
        }
        let email_digest = self.custody.address_digest(email);
        let id = Id::of_address(self.account, &email_digest);
        let token = offer_token(&id)?;
        let now = self.clock.now();
        let expires_at = self.settings.invitation_until(now);
        let offer = Offer { token_digest: self.custody.token_digest(&token), expires_at };
        let email = self.custody.seal_email(&id, email).await?;
        let invitation = Invitation { email, email_digest, role, offer, by: None };
        self.decide(id, |state| member::invite(state, &invitation)).await?;
        show(id, &token, expires_at)
    }

    async fn reset(&self, name: &str, totp: Totp) -> Result<(), Failure> {
        let id = self.named(name)?;
        let token = offer_token(&id)?;
        let expires_at = self.settings.reset_until(self.clock.now());
        let offer = Offer { token_digest: self.custody.token_digest(&token), expires_at };
        self.decide(id, |state| member::offer_reset(state, offer.clone(), totp, None)).await?;
        show(id, &token, expires_at)
    }

    async fn set_role(&self, name: &str, role: Role) -> Result<(), Failure> {
        let id = self.named(name)?;
        if role != Role::Owner {
            self.keep_an_owner(id).await?;
        }
        self.decide(id, |state| member::set_role(state, role, None)).await?;
        writeln!(stdout(), "{}  {}", id.member, role.name())?;
        Ok(())
    }

    async fn log_out(&self, name: &str) -> Result<(), Failure> {
        let id = self.named(name)?;
        let mut ended = 0;
        self.decide(id, |state| {
            ended = state.sessions.len();
            member::log_out_everywhere(state)
        })
        .await?;
        writeln!(stdout(), "{}  {ended} sessions ended", id.member)?;
        Ok(())
    }

    async fn remove(&self, name: &str) -> Result<(), Failure> {
        let id = self.named(name)?;
        self.keep_an_owner(id).await?;
        if self.log.load::<Members>(&id).await?.state.joined_as() == Some(Role::Owner) {
            self.decide(id, |state| member::set_role(state, Role::Admin, None)).await?;
        }
        self.decide(id, |state| member::remove(state, None)).await?;
        writeln!(stdout(), "{}  removed", id.member)?;
        Ok(())
    }

    /// Refuses to go on where this member is the last who owns the account.
    async fn keep_an_owner(&self, id: Id) -> Result<(), Failure> {
        let members = self.members().await?;
        let owns = |state: &State| state.joined_as() == Some(Role::Owner);
        let is_one = members.iter().any(|(other, state)| *other == id && owns(state));
        let others = members.iter().any(|(other, state)| *other != id && owns(state));
        if is_one && !others {
            return Err(MemberError::LastOwner).or_try("make somebody else an owner first");
        }
        Ok(())
    }

    async fn decide(
        &self,
        id: Id,
        step: impl FnMut(&State) -> Result<Vec<Event>, Refusal>,
    ) -> Result<(), Failure> {
        let done = self.log.transact::<Members, Refusal>(&id, self.clock.now(), step).await;
        match done {
            Ok(_) => Ok(()),
            Err(eventlog::TransactError::Refused(refusal)) => {
                Err(refusal).or_try("darkroom member list ACCOUNT")
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The members of the account, the removed ones left out.
    async fn members(&self) -> Result<Vec<(Id, State)>, Failure> {
        let filter = Some(format!("darkroom.member.{}.*.invited", self.account));
        let span = Span { filter, ..Span::default() };
        let mut messages = std::pin::pin!(self.log.replay(Members::STREAM, span));
        let mut known = std::collections::BTreeSet::new();
        while let Some(message) = messages.next().await {
            let subject = message?.subject;
            let prefix = subject.rsplit_once('.').map(|(prefix, _)| prefix);
            known.extend(prefix.and_then(Members::parse_prefix).map(|id| id.member));
        }
        let mut members = Vec::new();
        for member in known {
            let id = Id { account: self.account, member };
            let state = self.log.load::<Members>(&id).await?.state;
            if state.role.is_some() {
                members.push((id, state));
            }
        }
        Ok(members)
    }

    /// The member with this id or address.
    fn named(&self, name: &str) -> Result<Id, Failure> {
        let account = self.account;
        if name.contains('@') {
            return Ok(Id::of_address(account, &self.custody.address_digest(name.trim())));
        }
        match name.parse::<MemberId>() {
            Ok(member) => Ok(Id { account, member }),
            Err(_) => Err(MemberError::Name(name.to_owned()))
                .or_try("one of those that `darkroom member list ACCOUNT` shows"),
        }
    }
}

fn show(id: Id, token: &str, expires_at: Timestamp) -> Result<(), Failure> {
    writeln!(stdout(), "member  {}\ntoken   {token}\nuntil   {expires_at}", id.member)?;
    Ok(())
}

fn role(name: &str) -> Result<Role, String> {
    let known = || Role::ALL.map(Role::name).join(", ");
    Role::parse(name).ok_or_else(|| format!("use one of {}", known()))
}
