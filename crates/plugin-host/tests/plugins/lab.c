/* A plugin in C that behaves as the test requires: correctly, or incorrectly in every possible way. Built with
 *   -DMODE=…   how it describes itself, see `describe`
 *   -DABI=…    the ABI version in its table
 *   -DSIZE=…   the size in its table
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "herald_plugin.h"

#ifndef MODE
#define MODE 0
#endif
#ifndef ABI
#define ABI HERALD_PLUGIN_ABI
#endif
#ifndef SIZE
#define SIZE sizeof(struct herald_plugin)
#endif

static const char *const manifests[] = {
    /* 0: good */
    "{\"name\":\"lab\",\"version\":\"1.2\","
    "\"triggers\":[{\"type\":\"lab\",\"doc\":\"Fires.\",\"gives\":[{\"name\":\"n\",\"what\":\"a number\"}]}],"
    "\"selectors\":[{\"type\":\"lab\",\"doc\":\"Selects.\",\"refuse_near_misses\":true,"
    "\"params\":[{\"name\":\"mode\",\"kind\":\"text\",\"doc\":\"How.\",\"required\":true}]}],"
    "\"executors\":[{\"type\":\"lab\",\"doc\":\"Runs.\",\"options\":["
    "{\"name\":\"format\",\"kind\":{\"one_of\":[\"a\",\"b\"]},\"doc\":\"How.\",\"default\":\"a\"},"
    "{\"name\":\"even\",\"kind\":{\"integer\":{\"min\":0,\"max\":9}},\"doc\":\"Even.\",\"check\":true}]}]}",
    /* 1: no JSON */ "{\"name\": \"lab\"",
    /* 2: no manifest */ "[1, 2]",
    /* 3: an unknown kind of option */
    "{\"name\":\"lab\",\"selectors\":[{\"type\":\"x\",\"doc\":\"\",\"options\":[{\"name\":\"a\",\"kind\":\"colour\",\"doc\":\"\"}]}]}",
    /* 4: a type twice */
    "{\"name\":\"lab\",\"selectors\":[{\"type\":\"x\",\"doc\":\"\"},{\"type\":\"x\",\"doc\":\"\"}]}",
    /* 5: a reserved name */ "{\"name\":\"lab\",\"triggers\":[{\"type\":\"exe_done\",\"doc\":\"\"}]}",
    /* 6: no name */ "{\"name\":\"\"}",
};
/* 7: never returns; 8: returns without an answer; 9: reports a failure; 10: fails with invalid data */

static void answer(const struct herald_host *host, uint64_t call, uint32_t status, const char *json) {
    host->answer(call, status, (const uint8_t *)json, strlen(json));
}

static void describe(const struct herald_host *host, uint64_t call) {
    switch (MODE) {
    case 7:
        for (;;)
            sleep(600);
    case 8:
        return;
    case 9:
        answer(host, call, HERALD_ERROR, "{\"error\":\"it is Sunday\"}");
        return;
    case 10:
        answer(host, call, HERALD_ERROR, "Sunday");
        return;
    default:
        answer(host, call, HERALD_OK, manifests[MODE % 7]);
    }
}

/* The layout of the two tables for a C compiler. */
static void layout(const struct herald_host *host, uint64_t call) {
    char text[512];
    snprintf(text, sizeof text,
             "{\"plugin\":[%zu,%zu,%zu,%zu,%zu],\"host\":[%zu,%zu,%zu,%zu,%zu,%zu,%zu,%zu,%zu,%zu,%zu,%zu],"
             "\"given\":[%u,%u]}",
             sizeof(struct herald_plugin), offsetof(struct herald_plugin, abi), offsetof(struct herald_plugin, size),
             offsetof(struct herald_plugin, call), offsetof(struct herald_plugin, signal), sizeof(struct herald_host),
             offsetof(struct herald_host, abi), offsetof(struct herald_host, size),
             offsetof(struct herald_host, answer), offsetof(struct herald_host, stop_state),
             offsetof(struct herald_host, activate), offsetof(struct herald_host, room),
             offsetof(struct herald_host, log_level), offsetof(struct herald_host, log),
             offsetof(struct herald_host, reached), offsetof(struct herald_host, reach),
             offsetof(struct herald_host, output), host->abi, host->size);
    answer(host, call, HERALD_OK, text);
}

struct later {
    const struct herald_host *host;
    uint64_t call;
};

static void *answer_later(void *argument) {
    struct later later = *(struct later *)argument;
    free(argument);
    usleep(20000);
    answer(later.host, later.call, HERALD_OK, "{\"yes\":true,\"why\":\"later\"}");
    return NULL;
}

static int wants(const uint8_t *json, size_t len, const char *mode) {
    char key[64];
    int n = snprintf(key, sizeof key, "\"mode\":\"%s\"", mode);
    return memmem(json, len, key, (size_t)n) != NULL;
}

static void selects(const struct herald_host *host, uint64_t call, const uint8_t *json, size_t len) {
    if (wants(json, len, "block")) {
        for (;;)
            sleep(600);
    } else if (wants(json, len, "silent")) {
        return;
    } else if (wants(json, len, "error")) {
        answer(host, call, HERALD_ERROR, "{\"error\":\"not today\"}");
    } else if (wants(json, len, "status")) {
        answer(host, call, 7, "{\"yes\":true}");
    } else if (wants(json, len, "bad")) {
        answer(host, call, HERALD_OK, "{\"yes\":");
    } else if (wants(json, len, "bytes")) {
        answer(host, call, HERALD_OK, "\xff\xfe");
    } else if (wants(json, len, "shape")) {
        answer(host, call, HERALD_OK, "{\"yes\":\"perhaps\"}");
    } else if (wants(json, len, "null")) {
        host->answer(call, HERALD_OK, NULL, 0);
    } else if (wants(json, len, "long")) {
        host->answer(call, HERALD_OK, (const uint8_t *)"", (size_t)1 << 40);
    } else if (wants(json, len, "stranger")) {
        answer(host, call + 1000000, HERALD_OK, "{\"yes\":false}");
        answer(host, call, HERALD_OK, "{\"yes\":true,\"why\":\"mine\"}");
    } else if (wants(json, len, "twice")) {
        answer(host, call, HERALD_OK, "{\"yes\":true,\"why\":\"first\"}");
        answer(host, call, HERALD_OK, "{\"yes\":false,\"why\":\"second\"}");
    } else if (wants(json, len, "later")) {
        struct later *later = malloc(sizeof *later);
        pthread_t thread;
        later->host = host;
        later->call = call;
        pthread_create(&thread, NULL, answer_later, later);
        pthread_detach(thread);
    } else {
        answer(host, call, HERALD_OK, "{\"yes\":true}");
    }
}

/* The result of a request, for one that waits for it. */
struct result {
    uint32_t status;
    char text[64];
    uint32_t ready;
};

static void on_result(void *context, uint32_t status, const uint8_t *text, size_t len) {
    struct result *result = context;
    result->status = status;
    if (len >= sizeof result->text)
        len = sizeof result->text - 1;
    memcpy(result->text, text, len);
    result->text[len] = 0;
    __atomic_store_n(&result->ready, 1, __ATOMIC_SEQ_CST);
}

static void wait_for(struct result *result) {
    while (!__atomic_load_n(&result->ready, __ATOMIC_SEQ_CST))
        usleep(500);
}

static uint32_t put(const struct herald_host *host, uint64_t call, uint32_t stream, const char *text) {
    struct result result = {0};
    uint32_t status = host->output(call, stream, (const uint8_t *)text, strlen(text), on_result, &result);
    if (status != HERALD_ACCEPTED)
        return status;
    wait_for(&result);
    return result.status;
}

/* More than may be unwritten: the host says so, and takes the rest later. */
static void floods(const struct herald_host *host, uint64_t call) {
    unsigned n, busy = 0;
    char text[64];
    for (n = 0; n < 100;) {
        int size = snprintf(text, sizeof text, "%u\n", n);
        uint32_t status = host->output(call, HERALD_STDOUT, (const uint8_t *)text, (size_t)size, NULL, NULL);
        if (status == HERALD_ACCEPTED) {
            n++;
        } else if (status == HERALD_BUSY) {
            busy++;
            usleep(1000);
        } else {
            answer(host, call, HERALD_ERROR, "{\"error\":\"refused\"}");
            return;
        }
    }
    snprintf(text, sizeof text, "{\"was_busy\":%s}", busy > 0 ? "true" : "false");
    answer(host, call, HERALD_OK, text);
}

static uint64_t ended_call;

static void executes(const struct herald_host *host, uint64_t call, const uint8_t *json, size_t len) {
    if (wants(json, len, "layout")) {
        layout(host, call);
    } else if (wants(json, len, "stop")) {
        /* Blocks a thread of Herald until it is asked to end. */
        while (host->stop_state(call) == HERALD_GO_ON)
            usleep(1000);
        answer(host, call, HERALD_ERROR, "{\"error\":\"stopped\",\"kind\":\"cancelled\",\"result\":{\"half\":1}}");
    } else if (wants(json, len, "block")) {
        for (;;)
            sleep(600);
    } else if (wants(json, len, "list")) {
        answer(host, call, HERALD_OK, "[1]");
    } else if (wants(json, len, "output")) {
        char text[128];
        uint32_t out = put(host, call, HERALD_STDOUT, "one\n"), err = put(host, call, HERALD_STDERR, "two\n");
        uint32_t empty = put(host, call, HERALD_STDOUT, ""), odd = put(host, call, 9, "x");
        uint32_t too_long = host->output(call, HERALD_STDOUT, (const uint8_t *)"", HERALD_MAX_OUTPUT + 1, NULL, NULL);
        host->output(call, HERALD_STDOUT, (const uint8_t *)"three\n", 6, NULL, NULL);
        snprintf(text, sizeof text, "{\"statuses\":[%u,%u,%u,%u,%u]}", out, err, empty, odd, too_long);
        ended_call = call;
        answer(host, call, HERALD_OK, text);
    } else if (wants(json, len, "flood")) {
        floods(host, call);
    } else if (wants(json, len, "after its end")) {
        char text[64];
        snprintf(text, sizeof text, "{\"statuses\":[%u,%u]}", put(host, ended_call, HERALD_STDOUT, "late\n"),
                 put(host, call + 1000000, HERALD_STDOUT, "another's\n"));
        answer(host, call, HERALD_OK, text);
    } else {
        answer(host, call, HERALD_OK, "{\"from\":\"C\",\"n\":18446744073709551617}");
    }
}

static void recovers(const struct herald_host *host, uint64_t call, const uint8_t *json, size_t len) {
    if (wants(json, len, "joined")) {
        put(host, call, HERALD_FROM_START, "");
        put(host, call, HERALD_STDOUT, "from the start\n");
        answer(host, call, HERALD_OK, "{\"joined\":true}");
    } else if (wants(json, len, "failed")) {
        answer(host, call, HERALD_ERROR, "{\"error\":\"exit code 3\",\"kind\":\"failed\"}");
    } else {
        answer(host, call, HERALD_ERROR, "{\"error\":\"nothing is known of it\"}");
    }
}

static uint32_t activate(const struct herald_host *host, uint64_t call, const char *json, struct result *result) {
    uint32_t status = host->activate(call, (const uint8_t *)json, strlen(json), result ? on_result : NULL, result);
    if (result && status == HERALD_ACCEPTED)
        wait_for(result);
    return status;
}

static uint32_t accepted;

static void done(void *context, uint32_t status, const uint8_t *text, size_t len) {
    (void)text;
    if (status == HERALD_ACCEPTED && len > 0)
        __atomic_add_fetch((uint32_t *)context, 1, __ATOMIC_SEQ_CST);
}

/* Goes on where it was: the position is a counter of one byte. */
static int follows(const struct herald_host *host, uint64_t call) {
    static const char source[] = "lab counter";
    struct result reached = {0}, fired = {0};
    char text[128];
    unsigned long last = 0;
    if (host->reached(call, (const uint8_t *)source, strlen(source), NULL, NULL) != HERALD_INVALID)
        return 0;
    if (host->reached(call, (const uint8_t *)source, strlen(source), on_result, &reached) != HERALD_ACCEPTED)
        return 0;
    wait_for(&reached);
    if (reached.status == HERALD_ACCEPTED)
        last = strtoul(reached.text, NULL, 16);
    else if (reached.status == HERALD_NEW_SOURCE)
        host->reach(call, (const uint8_t *)"{\"source\":\"lab counter\",\"position\":\"00\"}", 40, NULL, NULL);
    else
        return reached.status == HERALD_STOPPING;
    snprintf(text, sizeof text,
             "{\"params\":{\"counter\":%lu},\"key\":\"counter-%lu\",\"window_ms\":60000,\"source\":\"%s\","
             "\"position\":\"%02lx\"}",
             last + 1, last + 1, source, (last + 1) & 0xff);
    /* Whether it is accepted is the affair of Herald. */
    activate(host, call, text, &fired);
    return 1;
}

static void runs(const struct herald_host *host, uint64_t call) {
    static const char *const odd[] = {
        "[]", "{", "5", "{\"n\":1}", "{\"params\":[]}", "{\"params\":{},\"source\":\"s\"}",
        "{\"params\":{},\"source\":\"s\",\"position\":\"XY\"}"};
    char text[64];
    unsigned n;
    for (n = 0; n < sizeof odd / sizeof *odd; n++)
        if (activate(host, call, odd[n], NULL) != HERALD_INVALID)
            return answer(host, call, HERALD_ERROR, "{\"error\":\"took what is not an event\"}");
    if (host->reach(call, (const uint8_t *)"{}", 2, NULL, NULL) != HERALD_INVALID)
        return answer(host, call, HERALD_ERROR, "{\"error\":\"took what is not a position\"}");
    if (host->output(call, HERALD_STDOUT, (const uint8_t *)"x", 1, NULL, NULL) != HERALD_ENDED)
        return answer(host, call, HERALD_ERROR, "{\"error\":\"took output of a trigger\"}");
    if (!follows(host, call))
        return answer(host, call, HERALD_ERROR, "{\"error\":\"does not know positions\"}");
    /* More than the queue holds: the host reports this, and there is room again soon. */
    __atomic_store_n(&accepted, 0, __ATOMIC_SEQ_CST);
    for (n = 0; n < 200 && host->stop_state(call) == HERALD_GO_ON;) {
        int size = snprintf(text, sizeof text, "{\"params\":{\"n\":%u}}", n);
        switch (host->activate(call, (const uint8_t *)text, (size_t)size, done, &accepted)) {
        case HERALD_ACCEPTED:
            n++;
            break;
        case HERALD_BUSY:
            usleep(1000);
            break;
        default:
            return answer(host, call, HERALD_ERROR, "{\"error\":\"refused\"}");
        }
    }
    while (__atomic_load_n(&accepted, __ATOMIC_SEQ_CST) < 200 && host->stop_state(call) == HERALD_GO_ON)
        usleep(1000);
    activate(host, call, "{\"params\":{\"last\":true}}", NULL);
    while (host->stop_state(call) == HERALD_GO_ON)
        usleep(1000);
    answer(host, call, HERALD_OK, "null");
}

static void on_call(const struct herald_host *host, uint64_t call, uint32_t op, uint64_t instance,
                    const uint8_t *json, size_t len) {
    (void)instance;
    switch (op) {
    case HERALD_DESCRIBE:
        describe(host, call);
        break;
    case HERALD_CHECK:
        if (memmem(json, len, "\"value\":3", 9))
            answer(host, call, HERALD_ERROR, "{\"error\":\"3 is odd\"}");
        else
            answer(host, call, HERALD_OK, "null");
        break;
    case HERALD_SELECT:
        selects(host, call, json, len);
        break;
    case HERALD_EXECUTE:
        executes(host, call, json, len);
        break;
    case HERALD_RECOVER:
        recovers(host, call, json, len);
        break;
    case HERALD_RUN:
        runs(host, call);
        break;
    case HERALD_CREATE:
    case HERALD_DESTROY:
    case HERALD_PREPARE:
    case HERALD_CLOSE:
        answer(host, call, HERALD_OK, "null");
        break;
    default:
        answer(host, call, HERALD_ERROR, "{\"error\":\"unknown operation\"}");
    }
}

#ifdef NO_CALL
#define ON_CALL NULL
/* Unused, without a warning. */
const struct herald_plugin another_name = {ABI, SIZE, on_call, NULL};
#else
#define ON_CALL on_call
#endif

#ifndef NO_SYMBOL
const struct herald_plugin herald_plugin = {ABI, SIZE, ON_CALL, NULL};
#else
const struct herald_plugin another_name = {ABI, SIZE, on_call, NULL};
#endif
