/* Herald plugins, ABI version 1.
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
 * is ignored. Herald abandons a call after a time limit, except for HERALD_RUN and HERALD_EXECUTE, which have none.
 */
#ifndef HERALD_PLUGIN_H
#define HERALD_PLUGIN_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Raised when this file changes in a way that is not an addition at the end. Herald refuses any other version. */
#define HERALD_PLUGIN_ABI 1u

/* The operation: the `op` of a call, with request -> answer. A plugin answers an op that it does not know with an
 * error. KIND is "trigger", "selector" or "executor". */
#define HERALD_DESCRIBE 1u
/* {} -> {"name": "…", "version": "…", "triggers": [TYPE…], "selectors": [TYPE…], "executors": [TYPE…]}
 *
 * TYPE:   {"type": "…", "doc": "…", "options": [OPTION…], "params": [OPTION…], "params_closed": false,
 *          "gives": [{"name": "…", "what": "…"}], "example": "YAML"}
 *         `options` are those of a component in the configuration; `params` are those that it reads from select_param
 *         or job_param, and with `params_closed` no others are allowed; `gives` describes the data of a trigger's
 *         events. All but `type` and `doc` are optional.
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

/* The outcome of a call: the `status` of an answer. With HERALD_ERROR the answer is {"error": "one sentence"}; for
 * HERALD_EXECUTE also "kind" ("failed", "timed_out", "cancelled" or "lost"; default "failed") and "result" ({}). */
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

/* The result of an activation. */
#define HERALD_ACCEPTED 0u
/* The queue is full: try again later, see `room`. */
#define HERALD_BUSY 1u
/* Herald or this trigger is stopping. */
#define HERALD_STOPPING 2u
/* It could not be recorded; the text says why. */
#define HERALD_UNRECORDED 3u
/* The parameters are not a JSON object. */
#define HERALD_NOT_AN_OBJECT 4u

/* Called once with the result of an activation. `text` is the event's id with HERALD_ACCEPTED, and otherwise a reason
 * or empty. Must not block. */
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
    /* Activates the trigger whose HERALD_RUN is `call`, with a JSON object. Returns at once. On
     * HERALD_ACCEPTED the activation is in progress, and `done` is called once with its result; on any other value it
     * was rejected, and `done` is not called. `done` may be NULL: then the activation waits until the queue has room,
     * and its result is logged. */
    uint32_t (*activate)(uint64_t call, const uint8_t *json, size_t len, herald_done done, void *context);
    /* Calls `done` with HERALD_ACCEPTED once the queue has room for an activation of this trigger, or with
     * HERALD_STOPPING. Returns HERALD_ACCEPTED, or the reason why `done` will not be called. */
    uint32_t (*room)(uint64_t call, herald_done done, void *context);
    /* The most verbose level that is logged: 0 none, 1 error, 2 warning, 3 information, 4 debug, 5 trace. */
    uint32_t (*log_level)(void);
    /* Logs one line of UTF-8 text at this level. Never log secrets. */
    void (*log)(uint32_t level, const uint8_t *text, size_t len);
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
