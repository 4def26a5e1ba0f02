//! Headless Chromium: one page, pictured. Whatever the page wants is asked of the worker over the
//! socket; the browser itself has no network, and this process neither.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use domain::FailureCode;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde_json::{Map, Value, json};

use super::child::{self, Handed, Program};
use super::devtools::{Devtools, Said};
use super::room::DESK;
use super::{Order, Trouble, Worker, files, oembed};
use crate::hosted::wire::{Answer, Ask, Done, PageSaid, Product, Task, Word};

/// Width of all pictures, and height of the first, in CSS pixels.
const VIEWPORT: (u32, u32) = (1_280, 1_024);
/// A page that has wanted nothing for so long is taken as complete.
const QUIET: Duration = Duration::from_millis(350);
/// Longest wait for what loads only when it comes into sight.
const IN_SIGHT: Duration = Duration::from_secs(3);
/// Longest wait for what a provider says of the page.
const EMBED: Duration = Duration::from_secs(3);
/// Longest wait for one call of the browser. The worker's clock ends it all.
const CALL_TIMEOUT: Duration = Duration::from_secs(120);
/// The largest body of an answer that is read.
const BODY_BYTES: u64 = 64 << 20;
/// The longest address that is asked for.
const URL_CHARS: usize = 4_096;
/// Numbers under which the browser expects its pipes.
const BROWSER_READS: i32 = 3;
const BROWSER_WRITES: i32 = 4;
/// No number below this is given to the pipes' own ends, so that placing one overwrites none.
const ABOVE: i32 = 10;
/// What the page says about itself, asked in a world that its own scripts cannot reach.
const PAGE_SAYS: &str = include_str!("page.js");
/// Brings what moves by style to its end, in that world as well.
const STAND_STILL: &str = include_str!("still.js");
/// Has every page throw the same dice: the same page then looks the same.
const CHANCE: &str = include_str!("chance.js");

const FLAGS: &[&str] = &[
    "--headless",
    "--remote-debugging-pipe",
    // Its own sandbox would need the namespaces that ours forbids; all of it is behind our walls.
    "--no-sandbox",
    "--single-process",
    "--no-zygote",
    // No code is made at run time: the walls forbid executable memory.
    "--js-flags=--jitless",
    "--disable-gpu",
    "--disable-software-rasterizer",
    "--disable-3d-apis",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--disable-breakpad",
    "--disable-crash-reporter",
    "--disable-notifications",
    "--disable-speech-api",
    // One process draws all frames, so that one session hears of all that they want.
    "--disable-site-isolation-trials",
    "--disable-features=IsolateOrigins,site-per-process,Vulkan,Translate,MediaRouter",
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--no-first-run",
    "--no-default-browser-check",
    "--hide-scrollbars",
    "--mute-audio",
    "--force-color-profile=srgb",
    // Moving pictures show the first of their frames.
    "--blink-settings=imageAnimationPolicy=2",
    "--password-store=basic",
];

/// Does one job.
pub(super) fn serve(worker: &Worker, program: &Path, walls: Vec<String>) -> Result<(), Trouble> {
    let mut browser = Browser::start(worker, program)?;
    worker.ready(walls)?;
    let (order, source) = worker.order()?;
    let ordered = Instant::now();
    let Task::Browser { url, requests, height, settle_ms, embed_until_ms } = &order.task else {
        return Err(Trouble::job(FailureCode::Internal, "no page"));
    };
    child::limit_to(&order)?;
    browser.left = *requests;
    browser.document_due = source.is_none();
    if let Some(source) = source {
        let held = Held { status: 200, content_type: Some("text/html".to_owned()), body: source };
        browser.held.insert(url.clone(), held);
    }
    browser.visit(url, Duration::from_millis(*settle_ms))?;
    let height = browser.picture(*height, &order)?;
    let (url, mut metadata) = browser.page_says()?;
    if let Some(until) = embed_until_ms {
        browser.provider_says(&mut metadata, ordered + Duration::from_millis(*until))?;
    }
    worker.say(Word::Done, &Done { page: Some(PageSaid { url, height, metadata }) })
}

/// An answer that waits for the browser to follow a redirect to it.
struct Held {
    status: u16,
    content_type: Option<String>,
    body: OwnedFd,
}

struct Browser<'a> {
    worker: &'a Worker,
    tools: Devtools,
    program: Program,
    /// Requests that the worker is looking after.
    asked: BTreeMap<u32, String>,
    /// A request of this process's own that the worker is looking after, and what came of it.
    own: Option<(u32, Option<OwnedFd>)>,
    held: BTreeMap<String, Held>,
    asks: u32,
    left: u32,
    /// Whether the next thing to be asked for is the page itself.
    document_due: bool,
    loaded: bool,
    /// When the page last wanted or got something.
    stirred: Instant,
}

impl<'a> Browser<'a> {
    fn start(worker: &'a Worker, program: &Path) -> Result<Self, Trouble> {
        let pipe = || std::io::pipe().map_err(Trouble::io("make a pipe"));
        let ((their_ear, our_mouth), (our_ear, their_mouth)) = (pipe()?, pipe()?);
        let high = |end: OwnedFd| {
            rustix::io::fcntl_dupfd_cloexec(&end, ABOVE)
                .map_err(files::into_io)
                .map_err(Trouble::io("move a pipe"))
        };
        let handed = vec![
            Handed(high(their_ear.into())?, BROWSER_READS),
            Handed(high(their_mouth.into())?, BROWSER_WRITES),
        ];
        let mut command = Command::new(program);
        command
            .args(FLAGS)
            .arg(format!("--user-data-dir={DESK}/profile"))
            .arg(format!("--window-size={},{}", VIEWPORT.0, VIEWPORT.1));
        let program = Program::start(&mut command, &[], handed)?;
        // The command holds the browser's ends until it is dropped.
        drop(command);
        let mut browser = Self {
            worker,
            tools: Devtools::over(our_mouth.into(), our_ear.into()),
            program,
            asked: BTreeMap::new(),
            own: None,
            held: BTreeMap::new(),
            asks: 0,
            left: 0,
            document_due: false,
            loaded: false,
            stirred: Instant::now(),
        };
        browser.open_tab()?;
        Ok(browser)
    }

    fn open_tab(&mut self) -> Result<(), Trouble> {
        self.call("Browser.setDownloadBehavior", &json!({ "behavior": "deny" }))?;
        let target = self.call("Target.createTarget", &json!({ "url": "about:blank" }))?;
        let attach = json!({ "targetId": target.get("targetId"), "flatten": true });
        let session = self.call("Target.attachToTarget", &attach)?;
        let session = session.get("sessionId").and_then(Value::as_str).map(str::to_owned);
        let none = Trouble::job(FailureCode::Internal, "the browser opens no tab");
        self.tools.attach(session.ok_or(none)?);
        self.call("Page.enable", &json!({}))?;
        self.call("Page.addScriptToEvaluateOnNewDocument", &json!({ "source": CHANCE }))?;
        self.call("Fetch.enable", &json!({ "patterns": [{ "urlPattern": "*" }] }))?;
        self.be_tall(VIEWPORT.1)
    }

    fn visit(&mut self, url: &str, settle: Duration) -> Result<(), Trouble> {
        let until = Instant::now() + settle;
        let gone = self.call("Page.navigate", &json!({ "url": url }))?;
        if let Some(error) = gone.get("errorText").and_then(Value::as_str) {
            return Err(Trouble::job(FailureCode::Unsupported, format!("no page: {error}")));
        }
        self.settle(until)?;
        self.call("Page.stopLoading", &json!({}))?;
        Ok(())
    }

    /// Waits until the page is loaded and has wanted nothing for a while.
    fn settle(&mut self, until: Instant) -> Result<(), Trouble> {
        self.stirred = Instant::now();
        loop {
            let idle = self.loaded && self.asked.is_empty();
            let wait = if idle { (self.stirred + QUIET).min(until) } else { until };
            let left = wait.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            self.attend(left)?;
        }
    }

    /// Pictures the first screen and the whole page, and gives the latter's height.
    fn picture(&mut self, most: u32, order: &Order) -> Result<u32, Trouble> {
        self.ask(STAND_STILL)?;
        let viewport = self.call("Page.captureScreenshot", &json!({ "format": "png" }))?;
        self.hand_out(Product::Viewport, &viewport, order)?;
        let mut height = self.height(most)?;
        if height > VIEWPORT.1 {
            // What loads only when it comes into sight is shown a screen as tall as the page.
            self.be_tall(height)?;
            self.settle(Instant::now() + IN_SIGHT)?;
            self.be_tall(VIEWPORT.1)?;
            height = self.height(most)?;
        }
        let clip = json!({ "x": 0, "y": 0, "width": VIEWPORT.0, "height": height, "scale": 1 });
        let whole = json!({ "format": "png", "captureBeyondViewport": true, "clip": clip });
        self.ask(STAND_STILL)?;
        let full = self.call("Page.captureScreenshot", &whole)?;
        self.hand_out(Product::Full, &full, order)?;
        Ok(height)
    }

    fn height(&mut self, most: u32) -> Result<u32, Trouble> {
        let layout = self.call("Page.getLayoutMetrics", &json!({}))?;
        let height = layout.pointer("/cssContentSize/height").and_then(Value::as_f64);
        // Heights of pages are small whole numbers; a cast saturates.
        Ok((height.unwrap_or_default().ceil() as u32).clamp(VIEWPORT.1, most.max(VIEWPORT.1)))
    }

    fn be_tall(&mut self, height: u32) -> Result<(), Trouble> {
        let (width, scale) = (VIEWPORT.0, 1);
        let metrics = json!({
            "width": width, "height": height, "deviceScaleFactor": scale, "mobile": false,
        });
        self.call("Emulation.setDeviceMetricsOverride", &metrics).map(drop)
    }

    fn hand_out(&self, product: Product, shot: &Value, order: &Order) -> Result<(), Trouble> {
        let data = shot.get("data").and_then(Value::as_str).unwrap_or_default();
        let bytes = STANDARD.decode(data).map_err(|error| {
            Trouble::job(FailureCode::RendererCrashed, format!("the browser's picture: {error}"))
        })?;
        self.worker.made(product, &files::sealed(bytes.as_slice(), order.output_bytes)?)
    }

    /// Its address and what it says about itself.
    fn page_says(&mut self) -> Result<(String, Map<String, Value>), Trouble> {
        let (tree, mut said) = self.ask(PAGE_SAYS)?;
        let url = tree.pointer("/frameTree/frame/url").and_then(Value::as_str);
        let url = url.unwrap_or_default().chars().take(URL_CHARS).collect();
        let value = said.pointer_mut("/result/value").map(Value::take);
        Ok((url, value.and_then(|value| value.as_object().cloned()).unwrap_or_default()))
    }

    /// Puts what the page's provider says beside the link to it, if it says so in time.
    fn provider_says(
        &mut self,
        said: &mut Map<String, Value>,
        until: Instant,
    ) -> Result<(), Trouble> {
        let Some((place, url)) = oembed::link(said) else { return Ok(()) };
        let Some(answer) = self.get(url, until.min(Instant::now() + EMBED))? else { return Ok(()) };
        let link = said.get_mut("oembed").and_then(|links| links.get_mut(place));
        if let (Some(Value::Object(link)), Some(told)) = (link, oembed::read(answer)) {
            link.insert("response".to_owned(), told.into());
        }
        Ok(())
    }

    /// What lies at an address, in the same way as for the page itself; nothing if it is not had by then.
    fn get(&mut self, url: String, until: Instant) -> Result<Option<OwnedFd>, Trouble> {
        if self.left == 0 || url.len() > URL_CHARS || until <= Instant::now() {
            return Ok(None);
        }
        let id = self.ask_worker(url)?;
        self.own = Some((id, None));
        while matches!(self.own, Some((_, None))) {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            self.attend(left)?;
        }
        Ok(self.own.take().and_then(|(_, body)| body))
    }

    /// Runs a script in a world of the page's that its own scripts cannot reach. Gives the page's frames, and
    /// what the script gave.
    fn ask(&mut self, script: &str) -> Result<(Value, Value), Trouble> {
        let tree = self.call("Page.getFrameTree", &json!({}))?;
        let frame = tree.pointer("/frameTree/frame/id").and_then(Value::as_str);
        let world = json!({ "frameId": frame, "worldName": "darkroom" });
        let world = self.call("Page.createIsolatedWorld", &world)?;
        let ask = json!({
            "expression": script,
            "contextId": world.get("executionContextId"),
            "returnByValue": true,
        });
        let said = self.call("Runtime.evaluate", &ask)?;
        Ok((tree, said))
    }

    /// Calls the browser and attends to everybody until it has answered.
    fn call(&mut self, method: &str, params: &Value) -> Result<Value, Trouble> {
        let call = self.tools.call(method, params)?;
        let until = Instant::now() + CALL_TIMEOUT;
        loop {
            while let Some(said) = self.tools.next()? {
                if said.id != Some(call) {
                    self.event(&said)?;
                } else if let Some(error) = said.error {
                    let detail = format!("{method}: {error}");
                    return Err(Trouble::job(FailureCode::RendererCrashed, detail));
                } else {
                    return Ok(said.result);
                }
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let detail = format!("{method}: no answer");
                return Err(Trouble::job(FailureCode::RendererTimeout, detail));
            }
            self.wait(left)?;
        }
    }

    /// Deals with what has been said, or waits for something.
    fn attend(&mut self, wait: Duration) -> Result<(), Trouble> {
        match self.tools.next()? {
            Some(said) => self.event(&said),
            None => self.wait(wait),
        }
    }

    fn wait(&mut self, wait: Duration) -> Result<(), Trouble> {
        let wait = Timespec {
            tv_sec: i64::try_from(wait.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: wait.subsec_nanos().into(),
        };
        let (browser, worker) = (self.tools.ear(), self.worker.socket.0.as_fd());
        let mut ears = [
            PollFd::from_borrowed_fd(browser, PollFlags::IN),
            PollFd::from_borrowed_fd(worker, PollFlags::IN),
        ];
        match poll(&mut ears, Some(&wait)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(Trouble::io("wait")(files::into_io(error))),
        }
        let [browser, worker] = ears.map(|ear| !ear.revents().is_empty());
        if browser {
            self.tools.listen().map_err(|trouble| self.why_gone(trouble))?;
        }
        if worker {
            self.answered()?;
        }
        Ok(())
    }

    /// How it ended tells more than that it did.
    fn why_gone(&mut self, trouble: Trouble) -> Trouble {
        match self.program.ended_within(Duration::from_secs(1)) {
            Some(status) => self.program.post_mortem(status),
            None => trouble,
        }
    }

    fn event(&mut self, said: &Said) -> Result<(), Trouble> {
        match said.method.as_deref() {
            Some("Fetch.requestPaused") => self.wanted(&said.params),
            Some("Page.loadEventFired") => {
                self.loaded = true;
                self.stirred = Instant::now();
                Ok(())
            }
            Some("Page.javascriptDialogOpening") => self
                .tools
                .call("Page.handleJavaScriptDialog", &json!({ "accept": false }))
                .map(drop),
            _ => Ok(()),
        }
    }

    /// The page wants something: ask the worker for it, if it may be asked for at all.
    fn wanted(&mut self, params: &Value) -> Result<(), Trouble> {
        let field = |path| params.pointer(path).and_then(Value::as_str).unwrap_or_default();
        let (request, url) = (field("/requestId").to_owned(), field("/request/url"));
        let url = url.split('#').next().unwrap_or_default();
        self.stirred = Instant::now();
        if let Some(held) = self.held.remove(url) {
            return self.fulfil(&request, held);
        }
        let askable = field("/request/method") == "GET"
            && (url.starts_with("http://") || url.starts_with("https://"))
            && url.len() <= URL_CHARS
            && self.left > 0;
        if !askable {
            return self.refuse(&request);
        }
        let id = self.ask_worker(url.to_owned())?;
        self.asked.insert(id, request);
        Ok(())
    }

    /// Asks the worker for what lies at an address. Gives the number of the request.
    fn ask_worker(&mut self, url: String) -> Result<u32, Trouble> {
        let document = std::mem::take(&mut self.document_due);
        let ask = Ask { id: self.asks, url, document };
        self.left -= 1;
        self.asks += 1;
        self.worker.say(Word::Ask, &ask)?;
        Ok(ask.id)
    }

    /// The worker has answered.
    fn answered(&mut self) -> Result<(), Trouble> {
        let heard = self.worker.hear()?;
        let answer: Answer = heard.read()?;
        self.stirred = Instant::now();
        if let Some((_, body)) = self.own.as_mut().filter(|(id, _)| *id == answer.id) {
            match heard.descriptor.filter(|_| answer.status == Some(200)) {
                None => self.own = None,
                had => *body = had,
            }
            return Ok(());
        }
        let Some(request) = self.asked.remove(&answer.id) else { return Ok(()) };
        let (Some(status), Some(body)) = (answer.status, heard.descriptor) else {
            return self.refuse(&request);
        };
        let held = Held { status, content_type: answer.content_type, body };
        if answer.url.is_empty() {
            return self.fulfil(&request, held);
        }
        // It lies elsewhere: the browser must know where, and comes back for it.
        let redirect = json!({
            "requestId": request,
            "responseCode": 302,
            "responseHeaders": [{ "name": "location", "value": answer.url }],
        });
        self.held.insert(answer.url, held);
        self.tools.call("Fetch.fulfillRequest", &redirect).map(drop)
    }

    fn fulfil(&mut self, request: &str, held: Held) -> Result<(), Trouble> {
        let mut file = File::from(held.body);
        let mut body = Vec::new();
        file.rewind()
            .and_then(|()| file.take(BODY_BYTES).read_to_end(&mut body))
            .map_err(Trouble::io("read a body"))?;
        // No cookie or credential is ever sent, so that any page may read any answer.
        let mut headers = vec![json!({ "name": "access-control-allow-origin", "value": "*" })];
        if let Some(kind) = held.content_type {
            headers.push(json!({ "name": "content-type", "value": kind }));
        }
        let answer = json!({
            "requestId": request,
            "responseCode": held.status,
            "responseHeaders": headers,
            "body": STANDARD.encode(&body),
        });
        self.tools.call("Fetch.fulfillRequest", &answer).map(drop)
    }

    fn refuse(&mut self, request: &str) -> Result<(), Trouble> {
        let refusal = json!({ "requestId": request, "errorReason": "BlockedByClient" });
        self.tools.call("Fetch.failRequest", &refusal).map(drop)
    }
}
