/* A plugin in C that behaves oddly, as -DABI and -DMODE say. Types: executor and selector `odd`,
 * or what -DTYPE says. */
#include <string.h>
#include <unistd.h>

#include "herald_plugin.h"

#ifndef TYPE
#define TYPE "odd"
#endif

static const char manifest[] =
    "{\"name\":\"odd\",\"version\":\"1\","
    "\"selectors\":[{\"type\":\"" TYPE "\",\"doc\":\"Says yes.\"}],"
    "\"executors\":[{\"type\":\"" TYPE "\",\"doc\":\"Behaves oddly.\"}]}";

static void answer(const struct herald_host *host, uint64_t call, const char *json) {
    host->answer(call, HERALD_OK, (const uint8_t *)json, strlen(json));
}

static void on_call(const struct herald_host *host, uint64_t call, uint32_t op, uint64_t instance,
                    const uint8_t *json, size_t len) {
    (void)instance;
    switch (op) {
    case HERALD_DESCRIBE:
        answer(host, call, MODE == 3 ? "{\"name\": 5" : manifest);
        break;
    case HERALD_SELECT:
        answer(host, call, "{\"yes\":true,\"why\":\"C says so\"}");
        break;
    case HERALD_EXECUTE:
        if (memmem(json, len, "bad-json", 8))
            answer(host, call, "{\"a\":");
        else if (memmem(json, len, "not-object", 10))
            answer(host, call, "[1]");
        else if (memmem(json, len, "block", 5))
            sleep(600);
        else if (memmem(json, len, "twice", 5)) {
            answer(host, call, "{\"n\":1}");
            answer(host, call, "{\"n\":2}");
        } else
            answer(host, call, "{\"from\":\"C\",\"n\":18446744073709551617}");
        break;
    default:
        answer(host, call, "null");
    }
}

const struct herald_plugin herald_plugin = {ABI, sizeof(struct herald_plugin), on_call, NULL};
