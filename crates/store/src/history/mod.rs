//! The history: what was recorded, as views of jobs and events. On disk it is one SQLite file (`journal.db`) that
//! follows the journal; without a `state_dir`, the latest jobs and events are kept in memory.

mod column;
mod decision_rows;
mod event_list;
mod id_text;
pub(crate) mod index;
mod job_runs;
mod job_samples;
mod job_search;
pub(crate) mod job_state;
mod job_times;
mod lookup;
mod lookup_file;
mod memory;
mod offline;
pub(crate) mod progress;
pub(crate) mod query;
mod read;
mod recover;
mod repeated;
mod result_series;
mod results;
pub(crate) mod schema;
pub(crate) mod seal_check;
mod search_page;
mod summary_row;
pub(crate) mod trim;
mod unkept;
mod view;
mod whole_rows;

pub use event_list::{EventPage, EventQuery, EventSummaryView};
pub use job_runs::JobRuns;
pub use job_samples::{JobSample, JobSamples, SampleQuery, SampledBy};
pub use job_search::{JobCounts, JobSearch};
pub use job_state::{AttemptView, JobState, JobStatus};
pub use job_times::{JobTime, JobTimes, JobTimesQuery};
pub use lookup::{FoundId, IdKind, IdLookup, IdPart, MOST_CANDIDATES, SHORTEST_PART, WantedId};
pub use memory::MemoryHistory;
pub use offline::{OfflineError, OfflineHistory};
pub use progress::first_job;
pub use query::{FoundJob, History, HistoryError, JobQuery, Unreadable};
pub use result_series::result_series;
pub use results::{ResultPage, ResultQuery, ResultView};
pub use trim::{Keep, Trimmed};
pub use view::{EventView, JobPage, JobSummaryView, JobView};
