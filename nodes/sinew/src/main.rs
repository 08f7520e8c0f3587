//! `sinew`: the one executable. Every process of a robot and every tool beside it is a subcommand.
//!
//! What may be touched here: how cores get their sockets, threads and files, and what people read. Nothing is
//! decided here that a core could decide.
#![deny(clippy::print_stdout)] // results go out through `output`
mod bench;
mod cli;
mod client;
mod doctor;
mod drive;
mod engines;
mod model;
mod model_build;
mod model_conformance;
mod model_explain;
mod model_import;
mod output;
mod physics_engines;
mod policy;
mod progress;
mod run_dir;
mod scenario;
mod shells;
mod site;
mod status;
mod up;

use clap::Parser;

/// Counts allocations per thread, so that a tick can show that it makes none.
#[global_allocator]
static ALLOCATOR: sinew_rt::account::CountingAllocator = sinew_rt::account::CountingAllocator;

fn main() -> std::process::ExitCode {
    let cli = cli::Cli::parse();
    let result = match cli.command.unwrap_or_else(|| cli::Command::Up(cli::Up::default())) {
        cli::Command::Up(args) => up::run(&args),
        cli::Command::Node(args) => shells::run(&args),
        cli::Command::Drive(args) => drive::run(&args),
        cli::Command::Status(args) => status::run(&args),
        cli::Command::Policy(args) => policy::run(&args),
        cli::Command::Scenario(args) => scenario::run(&args),
        cli::Command::Bench(args) => bench::run(&args),
        cli::Command::Echo(args) => bench::echo(&args),
        cli::Command::Model(args) => model::run(&args),
        cli::Command::Doctor(args) => doctor::run(&args),
    };
    match result {
        Ok(code) => output::verdict(code),
        Err(error) => {
            eprintln!("sinew: {error:#}");
            if std::env::args_os().any(|argument| argument == "--json") {
                output::error_object(&error);
            }
            output::verdict(std::process::ExitCode::FAILURE)
        }
    }
}
