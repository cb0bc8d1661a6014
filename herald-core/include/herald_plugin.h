/* Herald plugins, ABI version 2.
 *
 * A plugin is a shared library that exports one constant:
 *
 *     const struct herald_plugin herald_plugin = {
 *         HERALD_PLUGIN_ABI, sizeof(struct herald_plugin), my_call, my_signal
 *     };
 *
 * Herald loads it once and never unloads it. Plugins in Rust do not need this file: herald_core::plugin! writes the
 * constant and follows every rule below.
 *
 * Rules for both sides
 *
 * - All data is JSON in UTF-8, as pointer and length, without a terminating zero. The bytes belong to the side that
 *   passes them and are valid only until the function returns: copy what you keep. Memory is never freed by the
 *   other side.
 * - No exception, panic or longjmp may leave a function of these tables.
 * - All functions may be called from any thread, several at once.
 *
 * How a call goes
 *
 * Herald calls `call` with a number that identifies this call, an operation (`op`) and a request. The plugin answers
 * exactly once through `host->answer` with the same number: before `call` returns, or later from a thread of its own.
 * `call` may block, but the number of threads for that is limited for each kind of component (executor 64, selector
 * 8, trigger 4): a long operation should answer later. An answer that comes too late, twice or for an unknown number
 * is ignored. Herald abandons a call after a time limit, except for HERALD_RUN, HERALD_EXECUTE and HERALD_RECOVER,
 * which have none.
 *
 * What a plugin may ask for
 *
 * While HERALD_RUN is not answered, a trigger creates events with `host->activate` and follows sources of events with
 * `host->reached` and `host->reach`. While HERALD_EXECUTE or HERALD_RECOVER is not answered, an executor writes to the
 * output of the job with `host->output`. These functions return at once. On HERALD_ACCEPTED the request is in
 * progress, and `done` is called once with its result; on any other value it was rejected, and `done` is not called.
 * How many requests of one call can be in progress is limited (64 of a trigger, 8 of a job): past that they return
 * HERALD_BUSY.
 *
 * Changes in version 2: the JSON of `activate`; `reached`, `reach` and `output`; HERALD_RECOVER; HERALD_INVALID
 * instead of HERALD_NOT_AN_OBJECT; "refuse_near_misses" was called "params_closed" here by mistake.
 */
#ifndef HERALD_PLUGIN_H
#define HERALD_PLUGIN_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Raised when this file changes in a way that is not an addition at the end. Herald refuses any other version. */
#define HERALD_PLUGIN_ABI 2u

/* The operation: the `op` of a call, with request -> answer. A plugin answers an op that it does not know with an
 * error. KIND is "trigger", "selector" or "executor". */
#define HERALD_DESCRIBE 1u
/* {} -> {"name": "…", "version": "…", "triggers": [TYPE…], "selectors": [TYPE…], "executors": [TYPE…]}
 *
 * TYPE:   {"type": "…", "doc": "…", "options": [OPTION…], "params": [OPTION…], "refuse_near_misses": false,
 *          "gives": [{"name": "…", "what": "…"}], "example": "YAML"}
 *         `options` are those of a component in the configuration; `params` are those that it reads from select_param
 *         or job_param, and with `refuse_near_misses` another name that is almost one of theirs is an error; `gives`
 *         describes the data of a trigger's events. All but `type` and `doc` are optional.
 * OPTION: {"name": "…", "kind": OPTIONKIND, "required": false, "default": VALUE, "doc": "…", "check": false}
 *         With `check`, Herald calls HERALD_CHECK with the value once its kind was found valid.
 * OPTIONKIND: "any", "text", "secret", "secrets", "boolean", {"integer": {"min": 0, "max": 9}}, "duration", "size",
 *         "file_path", "url", "texts", {"one_of": ["a", "b"]}, "map"
 */
#define HERALD_CREATE 2u
/* {"kind": KIND, "type": "…", "options": {}} -> null. Creates the component that later calls name by `instance`. Must
 * not acquire ports or files: configurations are checked with it. */
#define HERALD_DESTROY 3u
/* null -> null. `instance` is not used any more. */
#define HERALD_CHECK 4u
/* {"kind": KIND, "type": "…", "of": "options" or "params", "name": "…", "value": VALUE} -> null, or an error that says
 * what is wrong with the value. */
#define HERALD_SELECT 5u
/* {"event_id", "trigger", "router", "task", "trigger_param": {}, "select_param": {}} -> {"yes": true, "why": "…"} */
#define HERALD_PREPARE 6u
/* null -> null. A trigger acquires what it needs (for example, a port). May come again after HERALD_RUN was answered. */
#define HERALD_RUN 7u
/* {"trigger": "its name"} -> null. Answered once the trigger has ended: soon after it is asked to stop. */
#define HERALD_EXECUTE 8u
/* {"job": {the execution parameters, as scripts see them}, "secrets": ["…"]} -> {the result}. `secrets` are strings
 * in the job that must not be shown. Answered once the job has ended. */
#define HERALD_CLOSE 9u
/* null -> null. No job runs any more: an executor ends everything that outlives its jobs. */
#define HERALD_RECOVER 10u
/* As HERALD_EXECUTE, for a job that ran when an earlier process of Herald ended without notice, with the same id and
 * attempt. The executor must not run it a second time. It waits for the end of what still runs and answers as for
 * HERALD_EXECUTE, or ends what is left of it. An executor that cannot know how the job ended answers HERALD_ERROR: the
 * default "kind" is "lost" here. This includes executors that do not know this operation. */

/* The outcome of a call: the `status` of an answer. With HERALD_ERROR the answer is {"error": "one sentence"}; for
 * HERALD_EXECUTE and HERALD_RECOVER also "kind" ("failed", "timed_out", "cancelled" or "lost"; default "failed", and
 * "lost" for HERALD_RECOVER) and "result" ({}). */
#define HERALD_OK 0u
#define HERALD_ERROR 1u

/* Whether a call must end: the value of `signal` and of `host->stop_state`. */
#define HERALD_GO_ON 0u
/* End cleanly. */
#define HERALD_STOP 1u
/* End at once. */
#define HERALD_STOP_NOW 2u
/* Nobody waits for the answer any more. */
#define HERALD_GONE 3u

/* An event, as `host->activate` takes it:
 *
 *     {"params": {}, "key": "…", "window_ms": 86400000, "source": "…", "position": "00ff", "due": "RFC 3339"}
 *
 * `params` is the data of the event. All others are optional:
 * - `key` is the name that the sender gave the event. A second event of the same trigger with this key within
 *   `window_ms` (default: 24 hours) is not created: the result is the id of the first one.
 * - `source` and `position` record with the event how far a source of events was followed. The source has a name that
 *   says what is followed and how, so that a changed configuration begins from the start. A position is opaque bytes
 *   in lowercase hexadecimal; a later position must be lexicographically greater. Herald gives back the latest
 *   position, also after a restart, with `host->reached`. To keep the order, wait for the result of an event before
 *   you pass the next one of the same source.
 * - `due` is when the event was due, where a calendar says so. */

/* The most bytes of a key, of the name of a source, and of a position (as bytes, not as hexadecimal). */
#define HERALD_MAX_KEY 1024u
#define HERALD_MAX_SOURCE 1024u
#define HERALD_MAX_POSITION 1024u
/* The most bytes of one piece of output. */
#define HERALD_MAX_OUTPUT 65536u

/* What a job does to its output: the `stream` of `host->output`. */
#define HERALD_STDOUT 1u
#define HERALD_STDERR 2u
/* In HERALD_RECOVER, before anything else is written: what an earlier process wrote is written again from its
 * beginning, so Herald discards the earlier copy. Takes no bytes. */
#define HERALD_FROM_START 3u

/* The result of a request. */
#define HERALD_ACCEPTED 0u
/* The queue is full: try again later, see `room`. For output: as many pieces as allowed are not written yet. */
#define HERALD_BUSY 1u
/* Herald or this trigger is stopping. */
#define HERALD_STOPPING 2u
/* It could not be recorded; the text says why. */
#define HERALD_UNRECORDED 3u
/* What was passed is not as described here, or is too long. */
#define HERALD_INVALID 4u
/* No position of this source is recorded. */
#define HERALD_NEW_SOURCE 5u
/* The call was answered or abandoned, or is not one that may ask for this: the job has ended, for example. */
#define HERALD_ENDED 6u

/* Called once with the result of a request. `text` is described at each function; it is a reason or empty when the
 * result is not HERALD_ACCEPTED. Must not block. */
typedef void (*herald_done)(void *context, uint32_t status, const uint8_t *text, size_t len);

/* The functions of Herald. Valid until the process ends. */
struct herald_host {
    /* HERALD_PLUGIN_ABI of Herald. */
    uint32_t abi;
    /* sizeof(struct herald_host) of Herald: later fields may be missing in an older one. */
    uint32_t size;
    /* Answers a call. */
    void (*answer)(uint64_t call, uint32_t status, const uint8_t *json, size_t len);
    /* Whether the call must end. HERALD_GONE for a call that was answered or never existed. */
    uint32_t (*stop_state)(uint64_t call);
    /* Creates an event (see above) of the trigger whose HERALD_RUN is `call`; the text of the result is the event's
     * id. `done` may be NULL: then the event waits until the queue has room, and a failure is logged. */
    uint32_t (*activate)(uint64_t call, const uint8_t *json, size_t len, herald_done done, void *context);
    /* Calls `done` with HERALD_ACCEPTED once the queue has room for an activation of this trigger, or with
     * HERALD_STOPPING. Returns HERALD_ACCEPTED, or the reason why `done` will not be called. */
    uint32_t (*room)(uint64_t call, herald_done done, void *context);
    /* The most verbose level that is logged: 0 none, 1 error, 2 warning, 3 information, 4 debug, 5 trace. */
    uint32_t (*log_level)(void);
    /* Logs one line of UTF-8 text at this level. Never log secrets. */
    void (*log)(uint32_t level, const uint8_t *text, size_t len);
    /* Asks up to which position a source was followed; the text of the result is the position in hexadecimal. The
     * result is HERALD_NEW_SOURCE when none is recorded. `done` must not be NULL. */
    uint32_t (*reached)(uint64_t call, const uint8_t *source, size_t len, herald_done done, void *context);
    /* Records that a source is followed from a position on, without an event: {"source": "…", "position": "…"}. `done`
     * may be NULL. */
    uint32_t (*reach)(uint64_t call, const uint8_t *json, size_t len, herald_done done, void *context);
    /* Writes to the output of the job whose HERALD_EXECUTE or HERALD_RECOVER is `call`. The bytes may end anywhere, also
     * within a character; secrets in them are hidden by Herald. `done` is called once they are written; it may be
     * NULL. All output that was accepted before the answer is written. */
    uint32_t (*output)(uint64_t call, uint32_t stream, const uint8_t *bytes, size_t len, herald_done done,
                       void *context);
};

/* The functions of a plugin. */
struct herald_plugin {
    /* HERALD_PLUGIN_ABI. */
    uint32_t abi;
    /* sizeof(struct herald_plugin). */
    uint32_t size;
    /* See "How a call goes". `instance` is the component, 0 for HERALD_DESCRIBE and HERALD_CHECK. */
    void (*call)(const struct herald_host *host, uint64_t call, uint32_t op, uint64_t instance,
                 const uint8_t *json, size_t len);
    /* A call must end: HERALD_STOP, HERALD_STOP_NOW or HERALD_GONE. It may come while `call` has not returned yet. Must
     * not block. May be NULL for plugins that use `host->stop_state` instead. */
    void (*signal)(uint64_t call, uint32_t state);
};

extern const struct herald_plugin herald_plugin;

#ifdef __cplusplus
}
#endif

#endif
