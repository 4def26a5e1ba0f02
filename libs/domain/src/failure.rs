//! Why an attempt or a job failed, as a closed set of codes that callers can rely on.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Whether trying again can help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Persistence {
    /// The world may be better later: retried with backoff.
    Passing,
    /// The same input gives the same answer: never retried.
    Lasting,
    /// May be the input's fault or an accident's: retried once, then the source is quarantined.
    Suspect,
}

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $persistence:ident, $text:literal;)+) => {
        /// Why an attempt or a job failed. Append only.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum FailureCode {
            $(#[doc = $text] $variant,)+
        }

        impl FailureCode {
            /// Every code.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// Its name on the wire.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// What it means, in the caller's terms; quotes nothing of the caller's.
            #[must_use]
            pub const fn text(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }

            /// Whether trying again can help.
            #[must_use]
            pub const fn persistence(self) -> Persistence {
                match self { $(Self::$variant => Persistence::$persistence,)+ }
            }
        }
    };
}

codes! {
    SourceNotFound = "source_not_found", Lasting, "The source URL answered 404 or 410: there is no such file.";
    SourceDenied = "source_denied", Lasting, "The source URL answered 401 or 403: it needs a pre-signed URL or credentials in the URL.";
    SourceRefused = "source_refused", Lasting, "The source URL answered with a status that is neither success nor a passing failure.";
    SourceForbidden = "source_forbidden", Lasting, "The source URL points to an address, port or scheme that this service does not read.";
    SourceInvalid = "source_invalid", Lasting, "The source URL is not a usable http or https URL.";
    SourceUnavailable = "source_unavailable", Passing, "The source URL answered with a passing failure (408, 429 or 5xx).";
    SourceUnreachable = "source_unreachable", Passing, "The source's server could not be reached, or broke off.";
    SourceTimeout = "source_timeout", Passing, "The source's server was too slow.";
    SourceTooLarge = "source_too_large", Lasting, "The source is larger than this account's limit.";
    SourceEmpty = "source_empty", Lasting, "The source has no bytes.";
    Unsupported = "unsupported", Lasting, "The file is of no kind that can be previewed.";
    Corrupt = "corrupt", Lasting, "The file is damaged or incomplete.";
    TooManyPixels = "too_many_pixels", Lasting, "The picture has more pixels than this account's limit.";
    OutputTooLarge = "output_too_large", Lasting, "More pages, files, pixels or bytes would be made than this account's limits allow.";
    NoSuchPage = "no_such_page", Lasting, "The file has none of the pages asked for.";
    CapabilityMissing = "capability_missing", Lasting, "This installation lacks a part that the request needs.";
    RendererMemory = "renderer_memory", Suspect, "Drawing the file needed more memory than its limit.";
    RendererTimeout = "renderer_timeout", Suspect, "Drawing the file took longer than its limit.";
    RendererCrashed = "renderer_crashed", Suspect, "The renderer died while drawing the file.";
    Quarantined = "quarantined", Lasting, "The file brought the renderer down twice and is not tried again.";
    DestinationDenied = "destination_denied", Lasting, "The destination bucket refused the object: check the credentials and the policy (PutObject).";
    DestinationMissing = "destination_missing", Lasting, "The destination bucket does not exist.";
    DestinationUnavailable = "destination_unavailable", Passing, "The destination bucket could not be reached or answered with a passing failure.";
    WorkerLost = "worker_lost", Passing, "The worker died during the attempt.";
    SourceChanged = "source_changed", Passing, "The source changed while it was being read.";
    Encrypted = "encrypted", Lasting, "The file is protected by a password.";
    ExpandsTooMuch = "expands_too_much", Lasting, "The file expands to more than this account's limit, or is nested too deeply.";
    TooLong = "too_long", Lasting, "The film or sound is longer, or has more frames, than this account's limit.";
    DestinationFull = "destination_full", Lasting, "The destination bucket is full or over its quota.";
    DestinationInvalid = "destination_invalid", Lasting, "The destination is set up in a way that its server refuses.";
    ClockSkew = "clock_skew", Passing, "The destination's clock and this service's differ too much for signed requests.";
    UploadMissing = "upload_missing", Lasting, "There is no such upload, it was never completed, or it has been removed.";
    InputMissing = "input_missing", Lasting, "The account has no input that this bucket and key lie in.";
    DestinationNotWriteOnly = "destination_not_write_only", Lasting, "The account demands a destination that is proven write-only, and its destination is not.";
    DestinationCredentials = "destination_credentials", Lasting, "The destination's server does not know the access key, or the secret key is another one.";
    DestinationForbidden = "destination_forbidden", Lasting, "The destination's endpoint is an address that this service does not connect to.";
    DestinationTimeout = "destination_timeout", Passing, "The destination's server was too slow.";
    Internal = "internal", Passing, "Something inside this service failed; operators have been told.";
    LanguageMissing = "language_missing", Lasting, "Text is to be read in a language that this installation has no data of Tesseract's for.";
}

/// A part that an installation can do without. Append only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Capability {
    /// LibreOffice: office documents.
    Office,
    /// Tesseract: text of pictures.
    Ocr,
    /// Chromium: web pages.
    Browser,
    /// The renderer of film, sound, HEIC and AVIF.
    RendererAv,
}

impl Capability {
    /// Every part.
    pub const ALL: [Self; 4] = [Self::Office, Self::Ocr, Self::Browser, Self::RendererAv];

    /// Its name on the wire, in `darkroom doctor` and to people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Office => "office",
            Self::Ocr => "ocr",
            Self::Browser => "browser",
            Self::RendererAv => "renderer-av",
        }
    }
}

impl std::fmt::Display for Capability {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// What a failure means, in the caller's terms, with the name of the part that is missing.
#[must_use]
pub fn message(code: FailureCode, capability: Option<Capability>) -> String {
    match capability {
        None => code.text().to_owned(),
        Some(capability) => format!("{}: {capability}.", code.text().trim_end_matches('.')),
    }
}

impl std::fmt::Display for FailureCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_is_what_serde_writes() {
        for code in FailureCode::ALL {
            assert_eq!(serde_json::to_value(code).expect("json"), code.name());
        }
        for capability in Capability::ALL {
            assert_eq!(serde_json::to_value(capability).expect("json"), capability.name());
        }
    }

    #[test]
    fn what_is_missing_is_told_by_its_name() {
        let code = FailureCode::CapabilityMissing;
        let said = "This installation lacks a part that the request needs: office.";
        assert_eq!(message(code, Some(Capability::Office)), said);
        assert_eq!(message(code, None), code.text());
    }
}
