//! What a whole broker needs of its surroundings, without any: no sockets, tasks or clock.

use std::time::Duration;

use hereabouts::broker::configuration::{Host, Refusal};
use hereabouts::broker::{Identity, ProcessorTime};
use hereabouts::command;
use hereabouts::config::Config;
use hereabouts::crdt::NodeId;

pub(crate) struct NoHost;

impl Host for NoHost {
    fn apply(&self, _: &Config, _: &mut Config) -> Result<(), Refusal> {
        Ok(())
    }

    fn rewrite(&self, _: &Config) -> Result<bool, String> {
        Ok(false)
    }

    fn wait(&self, work: &mut dyn FnMut()) {
        work();
    }
}

pub(crate) fn identity(node: NodeId, life: u64) -> Identity {
    Identity {
        monotonic: || Duration::ZERO,
        resident_bytes: || 0,
        processor_time: ProcessorTime::default,
        allocator_report: String::new,
        allocator: String::new(),
        system: String::new(),
        system_bytes: 0,
        node,
        life,
        run_id: String::new(),
        process_id: 0,
        executable: String::new(),
        config_file: String::new(),
        command_rows: command::table::rows().len(),
    }
}
