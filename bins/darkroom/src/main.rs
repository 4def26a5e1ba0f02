//! The `darkroom` command.

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    let cli = darkroom::Cli::parse();
    service::run_main("darkroom", |shutdown| cli.run(shutdown))
}
