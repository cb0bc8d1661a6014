//! What an attempt gave reaches the next one, where its executor goes on from there.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use herald_core::executor::{Execution, Executor, Failure, FailureKind, Outcome};
use herald_core::herald::Herald;
use herald_core::workflow::Router;
use serde_json::{Value, json};

use crate::doubles::{Yes, activate, params};

/// Fails with these results, one an attempt, and then succeeds. Notes what the attempts before gave.
#[derive(Clone)]
struct StepByStep {
    continues: bool,
    gives: Vec<Value>,
    saw: Arc<Mutex<Vec<Value>>>,
}

#[async_trait]
impl Executor for StepByStep {
    fn continues_attempts(&self) -> bool {
        self.continues
    }

    async fn execute(&self, execution: Execution) -> Outcome {
        let earlier = execution.earlier.map(|earlier| Value::Object(earlier.as_ref().clone()));
        self.saw.lock().unwrap().push(earlier.unwrap_or_default());
        let attempt = usize::try_from(execution.job.attempt).unwrap();
        match self.gives.get(attempt - 1) {
            Some(Value::Null) => panic!("as asked"),
            Some(result) => Err(Failure {
                kind: FailureKind::Lost,
                result: params(result.clone()),
                ..Failure::new("as asked")
            }),
            None => Ok(params(json!({}))),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_attempt_sees_the_latest_result_of_those_before() {
    let (one, two) = (json!({"node": {"n1": 1}}), json!({"node": {"n2": 2}}));
    for (continues, gives, saw) in [
        (true, vec![], vec![json!(null)]),
        (true, vec![one.clone(), two.clone()], vec![json!(null), one.clone(), two.clone()]),
        // One that gave nothing, and one that panicked.
        (
            true,
            vec![one.clone(), json!({}), json!(null)],
            vec![json!(null), one.clone(), one.clone(), one.clone()],
        ),
        (true, vec![json!({"token": "abc"})], vec![json!(null), json!({"token": "***"})]),
        (false, vec![one.clone(), two], vec![json!(null); 3]),
    ] {
        let executor = StepByStep { continues, gives, saw: Arc::default() };
        let policy = json!({"retry": {"max": 5, "on": ["failed", "lost"]}});
        let herald = Herald::new()
            .trigger("t", crate::triggers::Quiet)
            .selector("yes", Yes)
            .executor("work", executor.clone())
            .router(Router::new("r", "t", "yes").task("k", "work").policy(policy));
        let running = herald.start().await.unwrap();
        activate(running.handle(), json!({})).await;
        running.handle().idle().await;
        assert_eq!(*executor.saw.lock().unwrap(), saw, "{continues}");
    }
}
