/* Herald plugins, ABI version 1.
 *
 * A plugin is a shared library that exports one constant:
 *
 *     const struct herald_plugin herald_plugin = {
 *         HERALD_PLUGIN_ABI, sizeof(struct herald_plugin), my_call, my_signal
 *     };
 *
 * Herald loads it once and never unloads it. Plugins in Rust do not need this file: herald_core::plugin! writes the
 * constant and keeps every rule below.
 *
 * Rules for both sides
 *
 * - Everything that crosses is JSON in UTF-8, as pointer and length, without a final zero. The bytes belong to the
 *   side that passes them and are valid only until the function returns: copy what you keep. Nothing is ever freed
 *   by the other side.
 * - No exception, panic or longjmp may leave a function of this table.
 * - All functions may be called from any thread, several at once.
 *
 * How a call goes
 *
 * Herald calls `call` with a number that it has given to this call, what is wanted (`op`) and a request. The plugin
 * answers exactly once through `host->answer` with the same number: before `call` returns, or later and from a thread
 * of its own. `call` may block, but each kind of component has only so many threads for that (executor 64, selector
 * 8, trigger 4): what takes long is better answered later. An answer that comes too late, twice or for an unknown
 * number is ignored. What Herald asks is given up after a while, except for HERALD_RUN and HERALD_EXECUTE, which
 * take as long as they take.
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

/* What is wanted: the `op` of a call, with request -> answer. An op that the plugin does not know is answered with an
 * error. KIND is "trigger", "selector" or "executor". */
#define HERALD_DESCRIBE 1u
/* {} -> {"name": "…", "version": "…", "triggers": [TYPE…], "selectors": [TYPE…], "executors": [TYPE…]}
 *
 * TYPE:   {"type": "…", "doc": "…", "options": [OPTION…], "params": [OPTION…], "params_closed": false,
 *          "gives": [{"name": "…", "what": "…"}], "example": "YAML"}
 *         `options` stand in the configuration of a component; `params` are what it reads of select_param or
 *         job_param, and with `params_closed` no others are allowed; `gives` says what a trigger tells. All but
 *         `type` and `doc` may be left out.
 * OPTION: {"name": "…", "kind": OPTIONKIND, "required": false, "default": VALUE, "doc": "…", "check": false}
 *         With `check`, Herald asks HERALD_CHECK about the value once its kind was found right.
 * OPTIONKIND: "any", "text", "secret", "secrets", "boolean", {"integer": {"min": 0, "max": 9}}, "duration", "size",
 *         "file_path", "url", "texts", {"one_of": ["a", "b"]}, "map"
 */
#define HERALD_CREATE 2u
/* {"kind": KIND, "type": "…", "options": {}} -> null. Makes the component that later calls name by `instance`. Must
 * not take hold of ports or files yet: configurations are checked with it. */
#define HERALD_DESTROY 3u
/* null -> null. `instance` is used no more. */
#define HERALD_CHECK 4u
/* {"kind": KIND, "type": "…", "of": "options" or "params", "name": "…", "value": VALUE} -> null, or an error that says
 * what is wrong with the value. */
#define HERALD_SELECT 5u
/* {"event_id", "trigger", "router", "task", "trigger_param": {}, "select_param": {}} -> {"yes": true, "why": "…"} */
#define HERALD_PREPARE 6u
/* null -> null. A trigger takes hold of what it needs (a port, say). May come again after HERALD_RUN was answered. */
#define HERALD_RUN 7u
/* {"trigger": "its name"} -> null. Answered once the trigger has ended: soon after it is asked to stop. */
#define HERALD_EXECUTE 8u
/* {"job": {the execution parameters, as scripts see them}, "secrets": ["…"]} -> {the result}. `secrets` are texts in
 * the job that must not be shown. Answered once the job has ended. */
#define HERALD_CLOSE 9u
/* null -> null. No job runs any more: an executor ends what outlives its jobs. */

/* How a call went: the `status` of an answer. With HERALD_ERROR the answer is {"error": "one sentence"}; for
 * HERALD_EXECUTE also "kind" ("failed", "timed_out", "cancelled" or "lost"; default "failed") and "result" ({}). */
#define HERALD_OK 0u
#define HERALD_ERROR 1u

/* Whether a call is to end: what `signal` tells and `host->stop_state` answers. */
#define HERALD_GO_ON 0u
/* End in good order. */
#define HERALD_STOP 1u
/* End at once. */
#define HERALD_STOP_NOW 2u
/* Nobody waits for the answer any more. */
#define HERALD_GONE 3u

/* What became of an activation. */
#define HERALD_ACCEPTED 0u
/* Too much is waiting: try again later, see `room`. */
#define HERALD_BUSY 1u
/* Herald or this trigger stops. */
#define HERALD_STOPPING 2u
/* It could not be recorded; the text says why. */
#define HERALD_UNRECORDED 3u
/* The parameters are no JSON object. */
#define HERALD_NOT_AN_OBJECT 4u

/* Told once what became of an activation. `text` is the event's id with HERALD_ACCEPTED, and else a reason or
 * nothing. Must not block. */
typedef void (*herald_done)(void *context, uint32_t status, const uint8_t *text, size_t len);

/* What Herald offers. Valid until the process ends. */
struct herald_host {
    /* HERALD_PLUGIN_ABI of Herald. */
    uint32_t abi;
    /* sizeof(struct herald_host) of Herald: later fields may be missing in an older one. */
    uint32_t size;
    /* Answers a call. */
    void (*answer)(uint64_t call, uint32_t status, const uint8_t *json, size_t len);
    /* Whether the call is to end. HERALD_GONE for a call that was answered or never was. */
    uint32_t (*stop_state)(uint64_t call);
    /* Activates the trigger whose HERALD_RUN is `call`, with a JSON object. Returns at once. On HERALD_ACCEPTED it
     * was taken in hand, and `done` is called once with what became of it; on anything else it was refused, and `done`
     * is not called. `done` may be NULL: then the activation waits for room, and what became of it is logged. */
    uint32_t (*activate)(uint64_t call, const uint8_t *json, size_t len, herald_done done, void *context);
    /* Calls `done` with HERALD_ACCEPTED once an activation of this trigger has room, or with HERALD_STOPPING. Returns
     * HERALD_ACCEPTED, or why `done` will not be called. */
    uint32_t (*room)(uint64_t call, herald_done done, void *context);
    /* The most talkative level that is logged: 0 none, 1 error, 2 warning, 3 information, 4 debug, 5 trace. */
    uint32_t (*log_level)(void);
    /* Logs one line of UTF-8 text at this level. Never log secrets. */
    void (*log)(uint32_t level, const uint8_t *text, size_t len);
};

/* What a plugin offers. */
struct herald_plugin {
    /* HERALD_PLUGIN_ABI. */
    uint32_t abi;
    /* sizeof(struct herald_plugin). */
    uint32_t size;
    /* See "How a call goes". `instance` is the component, 0 for HERALD_DESCRIBE and HERALD_CHECK. */
    void (*call)(const struct herald_host *host, uint64_t call, uint32_t op, uint64_t instance,
                 const uint8_t *json, size_t len);
    /* A call is to end: HERALD_STOP, HERALD_STOP_NOW or HERALD_GONE. It may come while `call` has not returned yet. Must
     * not block. May be NULL for plugins that ask `host->stop_state` instead. */
    void (*signal)(uint64_t call, uint32_t state);
};

extern const struct herald_plugin herald_plugin;

#ifdef __cplusplus
}
#endif

#endif
