//! What the control API returns, as data: the server writes it, the command line reads it, the OpenAPI document
//! describes it. Times are RFC 3339 in UTC; ids are UUIDs of version 7; secrets read `***`.

mod actor;
mod app;
mod audit;
mod board;
mod calendar;
mod config;
mod configured;
mod daemon;
mod event;
mod graph;
mod job;
mod log_page;
mod log_piece;
mod page;
mod problem;
mod published;
mod queue;
mod router_runs;
mod session;
mod stats;

pub use actor::RecordedActor;
pub use app::{
    AppList, AppNodeResource, AppPlanResource, AppResource, CommitResource, CommitSummary,
    DeploymentAccepted, DeploymentResource, DeploymentWanted, HoldResource, HoldWanted,
    NodeDeploymentResource, NodePlanResource,
};
pub use audit::AuditResource;
pub use board::{BoardResource, BoardSummary, ResultResource, TileResource};
pub use calendar::{
    CalendarDue, CalendarPause, CalendarResource, CalendarRuns, CalendarSchedule, ClockChangeResource,
};
pub use config::{ConfigEntry, ConfigProblem, ConfigResource};
pub use configured::{ExecutorResource, PauseResource, RouterResource, TaskResource, TriggerResource};
pub use daemon::{
    DaemonInfo, DrainResource, FailedReload, Health, NodeDetails, NodeJob, NodeResource, PageLink, Reloaded,
};
pub use event::{
    Activated, Change, DecisionResource, EventResource, EventSummary, Rehearsal, RehearsedTask, Replayed,
    TrialResource, TrialResponse, TrialWanted,
};
pub use graph::{GraphEdge, GraphNode, GraphNodeKind, GraphResource, LastJob};
pub use job::{AttemptResource, Cancelling, JobResource, JobSummary, Retried, STATUSES, status};
pub use log_page::{LogPage, LogPageLine};
pub use log_piece::LogPieceResource;
pub use page::{JobList, Page};
pub use problem::ProblemDetails;
pub use published::{PublishedDiff, PublishedFileDiff, PublishedList, PublishedResource};
pub use queue::{
    DeadLetterResource, ForgottenResource, MessageResource, QueueList, QueueResource, Requeued,
    TopicNodeResource, TopicPauseResource, TopicPaused, TopicResource,
};
pub use router_runs::{RouterRun, RouterRuns};
pub use session::{SessionList, SessionResource};
pub use stats::{StatsResource, StatsRow};
