//! The gateway program: reads the command line, and hands over to the library.

use std::process::ExitCode;

use gateway::{
    commands,
    config::{Cli, Command},
    start::{self, StartError},
};

/// Faster, and steadier in size, than the system's under many small allocations.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = match Cli::read() {
        Ok(cli) => cli,
        Err(error) => error.exit(),
    };
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("anima-gateway: {error}");
            error.exit_code()
        }
    }
}

fn run(cli: Cli) -> Result<(), StartError> {
    let Cli { config, command } = cli;
    start::log(&config)?;
    let runtime = tokio::runtime::Runtime::new()
        .map_err(|error| StartError::Failed(format!("no runtime: {error}")))?;
    runtime.block_on(async {
        match command {
            None => Box::pin(start::run(config)).await,
            Some(Command::Worker) => start::run_worker(config).await,
            Some(Command::Health) => commands::health(&config).await,
            Some(Command::Schema) => {
                commands::schema();
                Ok(())
            }
            Some(Command::Token(command)) => {
                print!("{}", commands::token(&config, command).await?);
                Ok(())
            }
            Some(Command::User(command)) => {
                print!("{}", commands::user(&config, command).await?);
                Ok(())
            }
        }
    })
}
