//! Arguments, configuration, logs, the application, an exit code; everything else is in the library.

use std::process::ExitCode;

use tokio::runtime;
use tradovate_proxy::{
    app::{self, AppError, Launch},
    cli::{self, Command, Exit, complain},
    config::{Purpose, Reading, Sources, handover},
    telemetry,
};

fn main() -> ExitCode {
    run().into()
}

fn run() -> Exit {
    let command = match cli::parse(std::env::args_os()) {
        Ok(command) => command,
        Err(unparsed) => return unparsed.explain(),
    };
    let environment = match handover::receive() {
        Ok(environment) => environment,
        Err(error) => return fail(&error, Exit::System),
    };
    match command {
        Command::Check(flags) => cli::check(&flags, &environment),
        Command::Healthcheck(flags) => cli::healthcheck(&flags, &environment),
        Command::Status(flags) => cli::status(&flags, &environment),
        Command::Session(order, flags) => cli::session(&order, &flags, &environment),
        Command::Key(name) => cli::key(&name),
        Command::Kill(turn, flags) => cli::kill(turn, &flags, &environment),
        Command::Explain(asked, flags) => cli::explain(&asked, &flags, &environment),
        Command::Audit(question, flags) => cli::audit(&question, &flags, &environment),
        Command::Serve(flags) => {
            start(Sources { purpose: Purpose::Serve, flags, environment }, async |launch| {
                app::serve(launch).await
            })
        }
        Command::Sandbox(asked) => {
            let sources = Sources { purpose: Purpose::Sandbox, flags: asked.flags.clone(), environment };
            start(sources, async |launch| app::sandbox(&launch.config, &asked).await)
        }
    }
}

/// What both long-running commands begin with.
fn start(sources: Sources, serve: impl AsyncFnOnce(Launch) -> Result<(), AppError>) -> Exit {
    if let Err(error) = handover::shed(&sources.environment) {
        return fail(&error, Exit::System);
    }
    let Reading { config, look } = sources.read();
    let mut config = match config {
        Ok(config) => config,
        Err(errors) => return fail(&errors, Exit::Config),
    };
    let verbosity = match telemetry::start(&config.log, config.log_format) {
        Ok(verbosity) => verbosity,
        Err(error) => return fail(&error, Exit::System),
    };
    for exposed in config.exposed() {
        tracing::warn!("{exposed}");
    }
    if let Err(error) = app::forbid_core_dumps() {
        tracing::warn!(%error, "core dumps could not be forbidden; one would hold the access token");
    }
    config.limits.connections = app::raise_descriptor_limit(&config, sources.purpose);
    app::report_panics();
    let runtime = match runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error, Exit::System),
    };
    match runtime.block_on(serve(Launch { config, look, sources, verbosity })) {
        Ok(()) => {
            // A blocked disk must not hold up an end that was asked for.
            runtime.shutdown_background();
            Exit::Success
        }
        Err(error) => {
            let exit = fail(&error, error.exit());
            runtime.shutdown_background();
            exit
        }
    }
}

fn fail(error: &dyn std::error::Error, exit: Exit) -> Exit {
    complain(&error);
    exit
}
