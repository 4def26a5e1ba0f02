//! A name server over UDP and TCP (RFC 1035) that may change its mind with every question.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream, UdpSocket},
    task::JoinSet,
};

const PORT: u16 = 53;
/// The longest answer over UDP; a longer one is cut off and asked for over TCP.
const UDP_BYTES: usize = 512;
const HEADER_BYTES: usize = 12;
const A: u16 = 1;
const CNAME: u16 = 5;
const AAAA: u16 = 28;

/// Somebody asks for the addresses of a name in one family.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// In lower case, without a final dot.
    pub name: &'a str,
    /// How often they were asked for before, in the same family.
    pub before: usize,
}

/// What is known of a name. Nothing of it may be kept: its lifetime is zero.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// An address. Only those of the family asked for are told.
    Address(IpAddr),
    /// Another name for it.
    Alias(String),
}

type Zone = dyn Fn(&Question<'_>) -> Option<Vec<Record>> + Send + Sync;

pub(super) struct Names {
    zone: Box<Zone>,
    asked: Mutex<HashMap<(String, u16), usize>>,
    over_tcp: AtomicU64,
}

impl Names {
    pub(super) fn new(
        zone: impl Fn(&Question<'_>) -> Option<Vec<Record>> + Send + Sync + 'static,
    ) -> Self {
        Self { zone: Box::new(zone), asked: Mutex::default(), over_tcp: AtomicU64::new(0) }
    }

    pub(super) fn asked_over_tcp(&self) -> u64 {
        self.over_tcp.load(Ordering::SeqCst)
    }

    pub(super) fn asked(&self, name: &str) -> usize {
        let asked = self.asked.lock().unwrap();
        asked.iter().filter(|((of, _), _)| of == name).map(|(_, times)| times).sum()
    }

    pub(super) async fn serve(self: &Arc<Self>, serving: &mut JoinSet<()>) {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, PORT)).await.unwrap();
        let names = Arc::clone(self);
        serving.spawn(async move {
            let mut query = [0; UDP_BYTES];
            loop {
                let (size, from) = socket.recv_from(&mut query).await.unwrap();
                let reply = names.over_udp(&query[..size]);
                socket.send_to(&reply, from).await.unwrap();
            }
        });
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, PORT)).await.unwrap();
        let names = Arc::clone(self);
        serving.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                names.over_tcp.fetch_add(1, Ordering::SeqCst);
                let names = Arc::clone(&names);
                connections.spawn(async move {
                    // The asker hangs up when it has heard enough.
                    let _ = names.over_tcp(stream).await;
                });
            }
        });
    }

    fn over_udp(&self, query: &[u8]) -> Vec<u8> {
        let (name, family) = question(query);
        let records = self.records(&name, family);
        let whole = reply(query, family, records.as_deref());
        // One that is cut off is asked for again.
        if whole.len() <= UDP_BYTES {
            self.count(&name, family);
            return whole;
        }
        let mut cut = reply(query, family, Some(&[]));
        cut[2] |= 0x02;
        cut
    }

    async fn over_tcp(&self, mut stream: TcpStream) -> std::io::Result<()> {
        loop {
            let mut query = vec![0; usize::from(stream.read_u16().await?)];
            stream.read_exact(&mut query).await?;
            let (name, family) = question(&query);
            let records = self.records(&name, family);
            self.count(&name, family);
            let whole = reply(&query, family, records.as_deref());
            stream.write_u16(u16::try_from(whole.len()).unwrap()).await?;
            stream.write_all(&whole).await?;
        }
    }

    fn records(&self, name: &str, family: u16) -> Option<Vec<Record>> {
        let before = self.asked.lock().unwrap().get(&(name.to_owned(), family)).copied();
        (self.zone)(&Question { name, before: before.unwrap_or_default() })
    }

    fn count(&self, name: &str, family: u16) {
        *self.asked.lock().unwrap().entry((name.to_owned(), family)).or_default() += 1;
    }
}

/// The name and the type asked for.
fn question(query: &[u8]) -> (String, u16) {
    let (mut labels, mut at) = (Vec::new(), HEADER_BYTES);
    while query[at] != 0 {
        let end = at + 1 + usize::from(query[at]);
        labels.push(String::from_utf8_lossy(&query[at + 1..end]).to_lowercase());
        at = end;
    }
    (labels.join("."), u16::from_be_bytes([query[at + 1], query[at + 2]]))
}

/// Header, the question as asked, and the records; nothing known is "no such name".
fn reply(query: &[u8], family: u16, records: Option<&[Record]>) -> Vec<u8> {
    let data: Vec<(u16, Vec<u8>)> = records.unwrap_or_default().iter().map(written).collect();
    let told: Vec<_> = data.iter().filter(|(kind, _)| *kind == family || *kind == CNAME).collect();
    let question_ends =
        HEADER_BYTES + query[HEADER_BYTES..].iter().position(|byte| *byte == 0).unwrap() + 1 + 4;
    let code = if records.is_some() { 0x80 } else { 0x83 };
    let mut reply = query[..2].to_vec();
    reply.extend([0x81, code, 0, 1]);
    reply.extend(u16::try_from(told.len()).unwrap().to_be_bytes());
    reply.extend([0; 4]);
    reply.extend(&query[HEADER_BYTES..question_ends]);
    for (kind, data) in told {
        // The name of the question, its class, and a lifetime of zero.
        reply.extend([0xc0, 0x0c]);
        reply.extend(kind.to_be_bytes());
        reply.extend([0, 1, 0, 0, 0, 0]);
        reply.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
        reply.extend(data);
    }
    reply
}

fn written(record: &Record) -> (u16, Vec<u8>) {
    match record {
        Record::Address(IpAddr::V4(four)) => (A, four.octets().to_vec()),
        Record::Address(IpAddr::V6(six)) => (AAAA, six.octets().to_vec()),
        Record::Alias(name) => {
            let mut data = Vec::new();
            for label in name.split('.') {
                data.push(u8::try_from(label.len()).unwrap());
                data.extend(label.as_bytes());
            }
            data.push(0);
            (CNAME, data)
        }
    }
}
