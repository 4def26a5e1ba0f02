//! What a customer with a key of its own may try on another account.

use std::collections::BTreeSet;

use domain::job;
use serde_json::json;

use crate::stage::Tenant;

/// What is said, whole, as it goes over the wire.
pub(super) struct Attempt(pub(super) Vec<u8>);

/// Who attacks whom.
pub(super) struct Cast {
    pub(super) own: Tenant,
    pub(super) victim: Tenant,
    pub(super) job: job::Id,
}

fn line(text: &str) -> Attempt {
    Attempt(format!("{text}\r\n").into_bytes())
}

fn publish(subject: &str, reply: &str, body: &str) -> Attempt {
    Attempt(format!("PUB {subject} {reply} {}\r\n{body}\r\n", body.len()).replace("  ", " ").into())
}

fn publish_with(subject: &str, reply: &str, headers: &str, body: &str) -> Attempt {
    let head = format!("NATS/1.0\r\n{headers}\r\n\r\n");
    let (size, total) = (head.len(), head.len() + body.len());
    let line = format!("HPUB {subject} {reply} {size} {total}\r\n").replace("  ", " ");
    Attempt(format!("{line}{head}{body}\r\n").into())
}

impl Cast {
    pub(super) fn victim(&self) -> String {
        self.victim.account.to_string()
    }

    pub(super) fn own(&self) -> String {
        self.own.account.to_string()
    }

    /// Listening: to everything that another's messages pass, at every place of every subject.
    pub(super) fn listening(&self) -> Vec<Attempt> {
        let (victim, job, own) = (self.victim(), self.job.job.to_string(), self.own());
        let mut subjects = BTreeSet::new();
        for exact in [
            format!("darkroom.job.{victim}.{job}.requested"),
            format!("darkroom.live.job.{victim}.{job}.requested"),
            format!("darkroom.progress.{victim}.{job}"),
            format!("darkroom.feed.{victim}.{job}.requested"),
            format!("_INBOX.{victim}.a"),
        ] {
            let tokens: Vec<&str> = exact.split('.').collect();
            // Every set of places with a `*`, and every beginning with a `>` after it.
            for stars in 0_u32..1 << tokens.len() {
                let starred = |place: usize| stars >> place & 1 == 1;
                let token = |(place, token): (usize, &&str)| {
                    if starred(place) { "*".to_owned() } else { (*token).to_owned() }
                };
                let all: Vec<String> = tokens.iter().enumerate().map(token).collect();
                subjects.insert(all.join("."));
                for end in 0..all.len() {
                    subjects.insert([&all[..end], &[">".to_owned()]].concat().join("."));
                }
            }
        }
        let others = [
            "darkroom.account",
            "darkroom.member",
            "darkroom.upload",
            "darkroom.endpoint",
            "darkroom.delivery",
            "darkroom.cancel",
            "darkroom.work",
            "darkroom.parked",
            "darkroom.asked",
            "darkroom.ops",
            "darkroom.checkpoint",
            "$JS",
            "$JS.API",
            "$JS.ACK",
            "$JS.EVENT",
            "$JS.FC",
            "$JS.M",
            "$JSC.R",
            "$KV",
            "$KV.keys",
            "$SYS",
            "$SYS.REQ.USER",
            "$SYS.ACCOUNT.CUSTOMERS",
            "$SYS.ACCOUNT.DARKROOM",
            "$SRV",
            "$G",
            "_R_",
            "_GR_",
            "_INBOX_api",
            "_INBOX_gate",
            "_INBOX_usher",
            "_INBOX_worker",
            "_INBOX_operator",
            "$LDS",
        ];
        for root in others {
            subjects.insert(format!("{root}.>"));
            subjects.insert(format!("{root}.{victim}.>"));
        }
        subjects.insert("$SYS.REQ.USER.AUTH".to_owned());
        subjects.insert(format!("$JS.{victim}.API.>"));
        subjects.insert(format!("$JS.ACK.JOBS.{victim}-1.>"));
        subjects.insert(format!("$JS.{own}.API.>"));
        let alone = subjects.iter().map(|subject| line(&format!("SUB {subject} 9")));
        let grouped = subjects.iter().map(|subject| line(&format!("SUB {subject} gate 9")));
        let grouped: Vec<_> = grouped.collect();
        alone.chain(grouped).collect()
    }

    /// Saying what only others may say.
    pub(super) fn saying(&self) -> Vec<Attempt> {
        let (victim, job, own) = (self.victim(), self.job.job.to_string(), self.own());
        let inbox = format!("_INBOX.{own}.x");
        let mut said = Vec::new();
        for account in [&victim, &own] {
            for subject in [
                format!("darkroom.job.{account}.{job}.cancel_requested"),
                format!("darkroom.job.{account}.{job}.completed"),
                format!("darkroom.live.job.{account}.{job}.completed"),
                format!("darkroom.account.{account}.erasure_requested"),
                format!("darkroom.member.{account}.m.invited"),
                format!("darkroom.upload.{account}.u.started"),
                format!("darkroom.endpoint.{account}.e.removed"),
                format!("darkroom.delivery.{account}.e.d.due"),
                format!("darkroom.progress.{account}.{job}"),
                format!("darkroom.cancel.{account}.{job}"),
                format!("darkroom.feed.{account}.{job}.completed"),
                format!("darkroom.asked.api.{account}.CONSUMER.INFO.JOBS.1"),
                format!("darkroom.asked.ack.JOBS.{account}-1.1.1.1.1.0"),
                format!("darkroom.work.1.{account}.{job}"),
                format!("$KV.keys.{account}"),
                format!("_INBOX.{account}.x"),
            ] {
                said.push(publish(&subject, "", "{}"));
                said.push(publish(&subject, &inbox, "{}"));
                said.push(publish_with(&subject, &inbox, "Nats-Rollup: sub\r\nNats-Msg-Id: 1", ""));
            }
        }
        for verb in [
            "INFO",
            "STREAM.LIST",
            "STREAM.NAMES",
            "STREAM.INFO.JOBS",
            "STREAM.DELETE.JOBS",
            "STREAM.PURGE.JOBS",
            "STREAM.UPDATE.JOBS",
            "STREAM.CREATE.EVIL",
            "STREAM.MSG.GET.JOBS",
            "STREAM.MSG.DELETE.JOBS",
            "STREAM.SNAPSHOT.JOBS",
            "STREAM.RESTORE.JOBS",
            "DIRECT.GET.JOBS",
            "DIRECT.GET.KV_keys",
            "CONSUMER.LIST.JOBS",
            "CONSUMER.NAMES.JOBS",
            "CONSUMER.INFO.JOBS.dispatcher",
            "CONSUMER.DELETE.JOBS.dispatcher",
            "CONSUMER.MSG.NEXT.JOBS.dispatcher",
            "CONSUMER.MSG.NEXT.WORK.worker-00",
            "CONSUMER.CREATE.JOBS",
            "CONSUMER.CREATE.JOBS.x.darkroom.job.>",
            "ACCOUNT.INFO",
            "CONSUMER.PAUSE.JOBS.dispatcher",
            "META.LEADER.STEPDOWN",
            "SERVER.REMOVE",
        ] {
            said.push(publish(
                &format!("$JS.API.{verb}"),
                &inbox,
                r#"{"seq":1,"last_by_subj":">"}"#,
            ));
            said.push(publish(&format!("$JS.darkroom.API.{verb}"), &inbox, r#"{"seq":1}"#));
            said.push(publish(&format!("$JS.{victim}.API.{verb}"), &inbox, r#"{"seq":1}"#));
        }
        for name in [format!("{victim}-1"), "1".to_owned(), "dispatcher".to_owned()] {
            for (verb, body) in [
                ("INFO", ""),
                ("DELETE", ""),
                ("MSG.NEXT", r#"{"batch":5,"no_wait":true}"#),
                ("DURABLE.CREATE", r#"{"config":{"deliver_subject":"x"}}"#),
                ("CREATE", "{}"),
            ] {
                let rest = format!("CONSUMER.{verb}.JOBS.{name}");
                said.push(publish(&format!("$JS.API.{rest}"), &inbox, body));
                said.push(publish(&format!("$JS.{victim}.API.{rest}"), &inbox, body));
            }
        }
        for subject in [
            format!("$JS.ACK.JOBS.{victim}-1.1.1.1.1.0"),
            format!("$JS.ACK.JOBS.{victim}-1.1.2.2.1.0"),
            "$JS.ACK.WORK.worker-00.1.1.1.1.0".to_owned(),
            "$JS.ACK.JOBS.dispatcher.1.1.1.1.0".to_owned(),
            format!("$JS.ACK.darkroom.x.JOBS.{victim}-1.1.1.1.1.0"),
            format!("$JS.ACK.*.{own}-1.1.1.1.1.0"),
            format!("$JS.ACK.{victim}-1.{own}-1.1.1.1.1.0"),
            format!("$JS.ACK.WORK.{own}-1.1.1.1.1.0"),
        ] {
            for body in ["+ACK", "+TERM", "+NXT", ""] {
                said.push(publish(&subject, &inbox, body));
            }
        }
        for subject in [
            "$SYS.REQ.SERVER.PING",
            "$SYS.REQ.SERVER.PING.CONNZ",
            "$SYS.REQ.SERVER.PING.VARZ",
            "$SYS.REQ.USER.INFO",
            "$SYS.REQ.USER.AUTH",
            "$SYS.REQ.ACCOUNT.DARKROOM.CONNZ",
            "$SYS.REQ.ACCOUNT.PING.SUBSZ",
            "$SYS.REQ.CLAIMS.UPDATE",
            "$SYS.REQ.SERVER.x.KICK",
            "$SRV.PING",
        ] {
            said.push(publish(subject, &inbox, r#"{"cid":1}"#));
        }
        said
    }

    /// Saying what may be said, so that the answer or its effect goes elsewhere.
    pub(super) fn twisting(&self) -> Vec<Attempt> {
        let (victim, job, own) = (self.victim(), self.job.job.to_string(), self.own());
        let inbox = format!("_INBOX.{own}.x");
        let mut said = Vec::new();
        let elsewhere = [
            format!("_INBOX.{victim}.x"),
            format!("_INBOX.{own}.*"),
            format!("_INBOX.{own}.>"),
            format!("darkroom.job.{victim}.{job}.completed"),
            format!("darkroom.job.{own}.{job}.completed"),
            format!("darkroom.live.job.{victim}.{job}.completed"),
            format!("darkroom.feed.{victim}.{job}.x"),
            format!("darkroom.cancel.{victim}.{job}"),
            format!("$JS.ACK.JOBS.{victim}-1.1.1.1.1.0"),
            "$JS.ACK.WORK.worker-00.1.1.1.1.0".to_owned(),
            "$JS.ACK.JOBS.dispatcher.1.1.1.1.0".to_owned(),
            format!("$JS.API.CONSUMER.DELETE.JOBS.{victim}-1"),
            "$JS.API.STREAM.DELETE.JOBS".to_owned(),
            format!("$JS.{victim}.API.CONSUMER.DELETE.JOBS.1"),
            "_INBOX_operator.x".to_owned(),
            "$SYS.REQ.USER.AUTH".to_owned(),
            "_R_.x".to_owned(),
            "$KV.keys.x".to_owned(),
        ];
        for reply in &elsewhere {
            for (what, body) in [
                ("CONSUMER.MSG.NEXT.JOBS.1", r#"{"batch":1,"no_wait":true}"#),
                ("CONSUMER.INFO.JOBS.1", ""),
                ("INFO", ""),
            ] {
                said.push(publish(&format!("$JS.{own}.API.{what}"), reply, body));
            }
            said.push(publish(&format!("$JS.ACK.JOBS.{own}-1.1.1.1.1.0"), reply, "+ACK"));
            said.push(publish(&format!("$JS.ACK.JOBS.{own}-1.1.1.1.1.0"), reply, "+NXT"));
        }
        let filter = format!("darkroom.job.{victim}.>");
        for config in [
            json!({ "durable_name": "1", "filter_subject": filter }),
            json!({ "durable_name": "1", "filter_subjects": [filter] }),
            json!({ "durable_name": "1", "filter_subject": ">" }),
            json!({ "durable_name": "1", "filter_subject": "darkroom.job.*.>" }),
            json!({ "durable_name": "1", "deliver_subject": format!("_INBOX.{own}.pushed") }),
            json!({ "durable_name": "1", "deliver_subject": format!("darkroom.job.{victim}.x.y") }),
            json!({ "durable_name": "dispatcher" }),
            json!({ "durable_name": format!("{victim}-1") }),
            json!({ "name": "../x" }),
        ] {
            let body = json!({ "stream_name": "JOBS", "config": config }).to_string();
            for rest in [
                "CREATE.JOBS.1".to_owned(),
                "DURABLE.CREATE.JOBS.1".to_owned(),
                format!("CREATE.JOBS.1.{filter}"),
                "CREATE.WORK.1".to_owned(),
                "CREATE.ACCOUNTS.1".to_owned(),
                "DURABLE.CREATE.KV_keys.1".to_owned(),
                format!("CREATE.JOBS.{victim}-1"),
                "CREATE.JOBS.dispatcher".to_owned(),
                "CREATE.JOBS.9".to_owned(),
            ] {
                said.push(publish(&format!("$JS.{own}.API.CONSUMER.{rest}"), &inbox, &body));
            }
        }
        for what in [
            "STREAM.DELETE.JOBS",
            "STREAM.INFO.JOBS",
            "STREAM.MSG.GET.JOBS",
            "STREAM.PURGE.JOBS",
            "CONSUMER.LIST.JOBS",
            "CONSUMER.INFO.JOBS.dispatcher",
            "CONSUMER.DELETE.JOBS.dispatcher",
        ] {
            said.push(publish(&format!("$JS.{own}.API.{what}"), &inbox, r#"{"seq":1}"#));
        }
        said.push(publish_with(
            &format!("$JS.{own}.API.INFO"),
            &inbox,
            &format!("Nats-Request-Info: {{\"acc\":\"{victim}\"}}\r\nNats-Expected-Stream: JOBS"),
            "",
        ));
        said
    }

    /// Breaking the protocol itself. Each may cost the connection.
    pub(super) fn breaking(&self) -> Vec<Attempt> {
        let (victim, own) = (self.victim(), self.own());
        let api = format!("$JS.{own}.API.INFO");
        [
            format!("CONNECT {{\"user\":\"{}\",\"pass\":\"x\"}}\r\n", self.victim.key),
            "CONNECT {\"account\":\"DARKROOM\",\"user\":\"operator\"}\r\n".to_owned(),
            format!("LS+ darkroom.job.{victim}.>\r\n"),
            format!("RS+ DARKROOM darkroom.job.{victim}.>\r\n"),
            "A+ DARKROOM\r\n".to_owned(),
            format!("MSG darkroom.job.{victim}.x.y 1 2\r\nhi\r\n"),
            format!("RMSG DARKROOM darkroom.job.{victim}.x.y 2\r\nhi\r\n"),
            format!("LMSG darkroom.job.{victim}.x.y 2\r\nhi\r\n"),
            format!("sub darkroom.job.{victim}.> 5\r\n"),
            format!("SUB\tdarkroom.job.{victim}.>\t5\r\n"),
            format!("SUB darkroom.job.{own}.> x darkroom.job.{victim}.> 5\r\n"),
            format!("PUB {api} 2\r\nhi\r\nSUB darkroom.job.{victim}.> 6\r\n"),
            format!("PUB {api} 100000000\r\n"),
            format!("PUB {api} -1\r\n"),
            format!("PUB {api} {}\r\n{}\r\n", 64 << 10, "x".repeat(64 << 10)),
            format!("HPUB {api} 200 10\r\nNATS/1.0\r\n\r\n"),
            format!("HPUB {api} 12 12\r\nNATS/9.9\r\n\r\n\r\n"),
            format!("SUB {} 5\r\n", "darkroom.".repeat(1_000)),
            format!("SUB darkroom.job.{victim}\0.> 5\r\n"),
            format!("SUB darkroom..job.{victim}.> 5\r\n"),
            "INFO {\"cluster\":\"x\"}\r\n".to_owned(),
        ]
        .map(|text| Attempt(text.into_bytes()))
        .into()
    }
}
