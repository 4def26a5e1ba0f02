//! The `darkroom` command.

use std::{cell::Cell, process::ExitCode};

use clap::Parser as _;
use darkroom::{Cli, Exit};

fn main() -> ExitCode {
    let taken = vault::take_rings_from_environment();
    let cli = Cli::parse();
    let exit = Cell::new(Exit::Well);
    let code = service::run_main("darkroom", async |shutdown| {
        taken?;
        // Boxed: it holds every command there is.
        exit.set(Box::pin(cli.run(shutdown)).await?);
        Ok(())
    });
    match exit.get() {
        Exit::Well => code,
        amiss => amiss.into(),
    }
}
