/* A float32 RMSprop in C, judged by the conformance set beside this file. C99 and nothing else:

       cc -std=c99 -O2 -o example example.c -lm && ./example .

   It implements the bare rule, momentum, centred, and learning rates that change; what needs more, or is of another
   rule, is skipped, and said. The macros below are the right choices; a wrong one shows what a failure looks like:

       cc -std=c99 -O2 -D'ROOT(v, e)=(sqrtf(v) + (e))' -o wrong example.c -lm && ./wrong .

   With a third word it judges nothing: it makes the steps of the first vector that it can run, and writes them down as a
   log, which `parity judge steps.safetensors` judges and diagnoses:

       ./example . steps.safetensors

   Exit status: 0 every vector that was judged passed, 1 one failed, 2 the set cannot be read or held nothing to judge.
   The files are little-endian, and so must the machine be. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the optimizer ---------------------------------------------------------------------------------------------- */

#ifndef ROOT
#define ROOT(v, e) sqrtf((v) + (e))
#endif
#ifndef SECOND_MOMENT_START
#define SECOND_MOMENT_START 0.0f
#endif
#ifndef RATE_INSIDE
#define RATE_INSIDE rate
#define RATE_OUTSIDE 1.0f
#endif
#ifndef KEEP
#define KEEP rule->rho
#define RENEW rule->one_minus_rho
#endif

typedef struct { float rho, one_minus_rho, epsilon, momentum, centered; } Rule;

/* w weights, g gradient, v second moment, m first moment, b momentum buffer; m and b are NULL where not in use */
static void rmsprop(size_t n, float *w, const float *g, float *v, float *m, float *b, float rate, const Rule *rule)
{
    (void)rate;
    for (size_t i = 0; i < n; i++) {
        float variance = v[i] = KEEP * v[i] + RENEW * (g[i] * g[i]);
        if (m) {
            m[i] = KEEP * m[i] + RENEW * g[i];
            variance -= m[i] * m[i];
        }
        float step = RATE_INSIDE * g[i] / ROOT(variance, rule->epsilon);
        if (b) step = b[i] = rule->momentum * b[i] + step;
        w[i] -= RATE_OUTSIDE * step;
    }
}

/* ---- the files --------------------------------------------------------------------------------------------------- */

typedef struct { char *header; const char *data; size_t size; } Values;
typedef struct { const char *data; size_t bytes; } Tensor;

static void stop(const char *what, const char *where)
{
    fprintf(stderr, "example: %s: %s\n", where, what);
    exit(2);
}

static char *read_file(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    if (!file) stop("cannot be opened; `parity export` writes it", path);
    if (fseek(file, 0, SEEK_END) != 0) stop("cannot be read", path);
    long end = ftell(file);
    rewind(file);
    char *content = end < 0 ? NULL : malloc((size_t)end + 1);
    if (!content || fread(content, 1, (size_t)end, file) != (size_t)end) stop("cannot be read", path);
    fclose(file);
    content[end] = 0;
    *size = (size_t)end;
    return content;
}

/* A safetensors file: eight bytes with the length of a JSON header, the header, then the values. */
static Values open_values(const char *path)
{
    size_t size;
    uint64_t length;
    char *content = read_file(path, &size);
    if (size < 8) stop("shorter than eight bytes", path);
    memcpy(&length, content, 8);
    if (length > size - 8) stop("its header is longer than the file", path);
    Values values = {malloc(length + 1), content + 8 + length, size - 8 - (size_t)length};
    if (!values.header) stop("out of memory", path);
    memcpy(values.header, content + 8, length);
    values.header[length] = 0;
    return values;
}

static void close_values(Values *values)
{
    free((char *)values->data - strlen(values->header) - 8);
    free(values->header);
}

/* "name":{"dtype":"F32","shape":[13,8,16],"data_offsets":[0,6656]}: names hold nothing that JSON would escape. */
static int find(const Values *values, const char *prefix, const char *name, Tensor *tensor)
{
    char key[512];
    unsigned long long from, to;
    snprintf(key, sizeof key, "\"%s%s\":{", prefix, name);
    const char *at = strstr(values->header, key);
    if (!at || !(at = strstr(at, "\"data_offsets\":["))) return 0;
    if (sscanf(at, "\"data_offsets\":[%llu,%llu]", &from, &to) != 2 || from > to || to > values->size)
        stop("offsets outside the file", key);
    tensor->data = values->data + from;
    tensor->bytes = (size_t)(to - from);
    return 1;
}

static Tensor need(const Values *values, const char *prefix, const char *name)
{
    Tensor tensor;
    if (!find(values, prefix, name, &tensor)) stop("no such tensor", name);
    return tensor;
}

static double number(const Values *values, const char *name, size_t row)
{
    double found;
    Tensor tensor = need(values, "", name);
    if ((row + 1) * sizeof found > tensor.bytes) stop("too short", name);
    memcpy(&found, tensor.data + row * sizeof found, sizeof found);
    return found;
}

/* ---- the judgement ----------------------------------------------------------------------------------------------- */

enum { PARAMETER, SECOND, FIRST, BUFFER, SLOTS };
static const char *const SLOT[SLOTS] = {"parameter", "second_moment", "first_moment", "momentum_buffer"};

static int within(double obtained, double expected, double bound)
{
    return obtained == expected || (isnan(obtained) && isnan(expected)) || fabs(obtained - expected) <= bound
        || isinf(bound);
}

/* Compare one row of a slot. `bounds` is NULL before the first step, where values are exact. */
static int same(const char *way, long step, const char *slot, const char *name, size_t n, const float *obtained,
                const char *wanted, const char *bounds)
{
    for (size_t i = 0; i < n; i++) {
        float expected;
        double bound = 0;
        memcpy(&expected, wanted + i * sizeof expected, sizeof expected);
        if (bounds) memcpy(&bound, bounds + i * sizeof bound, sizeof bound);
        if (!within(obtained[i], expected, bound)) {
            printf("  %s, step %ld, %s of %s [%zu]: obtained %.9g, expected %.9g, bound %.3g\n", way, step, slot, name,
                   i, obtained[i], expected, bound);
            return 0;
        }
    }
    return 1;
}

/* Judge one tensor in one way: "step" starts each step from the recorded state, "run" starts once and goes on alone. */
static int judge(const Values *values, const char *name, const char *way, long steps, const Rule *rule)
{
    float *held[SLOTS] = {0};
    Tensor expected[SLOTS], bounds[SLOTS], gradient = need(values, "gradient/", name);
    size_t n = gradient.bytes / sizeof(float) / (size_t)steps;
    char prefix[64];
    int run = strcmp(way, "run") == 0, good = 1;

    for (int s = 0; s < SLOTS; s++) {
        snprintf(prefix, sizeof prefix, "expected/%s/", SLOT[s]);
        if (!find(values, prefix, name, &expected[s])) continue;
        snprintf(prefix, sizeof prefix, "bound_%s/%s/", way, SLOT[s]);
        bounds[s] = need(values, prefix, name);
        if (expected[s].bytes != ((size_t)steps + 1) * n * sizeof(float) || bounds[s].bytes != (size_t)steps * n * 8)
            stop("tensors do not fit together", name);
        held[s] = malloc(n * sizeof(float) + 1);
        if (!held[s]) stop("out of memory", name);
        for (size_t i = 0; i < n; i++) held[s][i] = s == SECOND ? SECOND_MOMENT_START : 0.0f;
        if (s == PARAMETER) memcpy(held[s], expected[s].data, n * sizeof(float));
        if (run) good = good && same("start", -1, SLOT[s], name, n, held[s], expected[s].data, NULL);
    }
    for (long step = 0; good && step < steps; step++) {
        for (int s = 0; s < SLOTS && !run; s++)
            if (held[s]) memcpy(held[s], expected[s].data + (size_t)step * n * sizeof(float), n * sizeof(float));
        rmsprop(n, held[PARAMETER], (const float *)(gradient.data + (size_t)step * n * sizeof(float)), held[SECOND],
                held[FIRST], held[BUFFER], (float)number(values, "learning_rate", (size_t)step), rule);
        for (int s = 0; s < SLOTS && good; s++)
            if (held[s])
                good = same(way, step, SLOT[s], name, n, held[s], expected[s].data + (size_t)(step + 1) * n * 4,
                            bounds[s].data + (size_t)step * n * 8);
    }
    for (int s = 0; s < SLOTS; s++) free(held[s]);
    return good;
}

static Rule rule_of(const Values *values)
{
    Rule rule = {(float)number(values, "constant/rho", 0), (float)number(values, "constant/one_minus_rho", 0),
                 (float)number(values, "constant/epsilon", 0), (float)number(values, "constant/momentum", 0),
                 (float)number(values, "constant/centered", 0)};
    return rule;
}

static int judge_all(const Values *values, long steps)
{
    Rule rule = rule_of(values);
    const char *mark = "\"gradient/";
    for (const char *at = values->header; (at = strstr(at, mark)); at++) {
        char name[256];
        if (sscanf(at + strlen(mark), "%255[^\"]", name) != 1) stop("a tensor without a name", at);
        if (!judge(values, name, "step", steps, &rule) || !judge(values, name, "run", steps, &rule)) return 0;
    }
    return 1;
}

/* ---- the log ------------------------------------------------------------------------------------------------------ */

/* A log is what a program did, for `parity judge`: here every step from the first one on, so that a row after a step is
   the row before the next one. A safetensors file again: parameter/T, second_moment/T, ... [steps + 1, n], gradient/T
   [steps, n], learning_rate [steps], and the numbers of the rule as texts of its metadata. */
enum { NAMES = 64 };
typedef struct { char name[256]; Tensor gradient; size_t n; int kept[SLOTS]; } Logged;

static void write_out(FILE *file, const void *values, size_t bytes, const char *path)
{
    if (fwrite(values, 1, bytes, file) != bytes) stop("cannot be written", path);
}

/* Return the length of the table; written only where there is a place for it, so that it is called twice. */
static size_t table(char *place, size_t room, const Values *values, const Logged *tensors, int count, long steps)
{
    size_t at = 0, offset = 0;
#define SAY(...) at += (size_t)snprintf(place ? place + at : NULL, place ? room - at : 0, __VA_ARGS__)
    SAY("{\"__metadata__\":{\"rule\":\"rmsprop\",\"source\":\"example.c\",\"hyperparameter/rho\":\"%.17g\","
        "\"hyperparameter/epsilon\":\"%.17g\",\"hyperparameter/momentum\":\"%.17g\",\"hyperparameter/centered\":\"%g\"}",
        number(values, "constant/rho", 0), number(values, "constant/epsilon", 0), number(values, "constant/momentum", 0),
        number(values, "constant/centered", 0));
    SAY(",\"learning_rate\":{\"dtype\":\"F64\",\"shape\":[%ld],\"data_offsets\":[0,%zu]}", steps, (size_t)steps * 8);
    offset = (size_t)steps * 8;
    for (int t = 0; t < count; t++) {
        size_t bytes = (size_t)steps * tensors[t].n * sizeof(float);
        SAY(",\"gradient/%s\":{\"dtype\":\"F32\",\"shape\":[%ld,%zu],\"data_offsets\":[%zu,%zu]}", tensors[t].name, steps,
            tensors[t].n, offset, offset + bytes);
        offset += bytes;
        for (int s = 0; s < SLOTS; s++) {
            if (!tensors[t].kept[s]) continue;
            bytes = ((size_t)steps + 1) * tensors[t].n * sizeof(float);
            SAY(",\"%s/%s\":{\"dtype\":\"F32\",\"shape\":[%ld,%zu],\"data_offsets\":[%zu,%zu]}", SLOT[s], tensors[t].name,
                steps + 1, tensors[t].n, offset, offset + bytes);
            offset += bytes;
        }
    }
    SAY("}");
#undef SAY
    return at;
}

/* Make all steps of one tensor, from the parameters that the vector starts from, and write every state. */
static void log_tensor(FILE *file, const Values *values, const Logged *tensor, long steps, const Rule *rule,
                       const char *path)
{
    size_t n = tensor->n, row = n * sizeof(float);
    float *held[SLOTS] = {0};
    write_out(file, tensor->gradient.data, (size_t)steps * row, path);
    for (int s = 0; s < SLOTS; s++) {
        if (!tensor->kept[s]) continue;
        held[s] = malloc(((size_t)steps + 1) * row + 1);
        if (!held[s]) stop("out of memory", path);
        for (size_t i = 0; i < n; i++) held[s][i] = s == SECOND ? SECOND_MOMENT_START : 0.0f;
    }
    memcpy(held[PARAMETER], need(values, "expected/parameter/", tensor->name).data, row);
    for (long step = 0; step < steps; step++) {
        float *state[SLOTS] = {0};
        for (int s = 0; s < SLOTS; s++) {
            if (!held[s]) continue;
            state[s] = held[s] + (size_t)(step + 1) * n;
            memcpy(state[s], state[s] - n, row);
        }
        rmsprop(n, state[PARAMETER], (const float *)(tensor->gradient.data + (size_t)step * row), state[SECOND],
                state[FIRST], state[BUFFER], (float)number(values, "learning_rate", (size_t)step), rule);
    }
    for (int s = 0; s < SLOTS; s++) {
        if (held[s]) write_out(file, held[s], ((size_t)steps + 1) * row, path);
        free(held[s]);
    }
}

static void write_log(const Values *values, long steps, const Rule *rule, const char *path)
{
    static Logged tensors[NAMES];
    int count = 0;
    const char *mark = "\"gradient/";
    for (const char *at = values->header; (at = strstr(at, mark)); at++, count++) {
        Tensor slot;
        char prefix[64];
        if (count == NAMES) stop("more tensors than there is room for", path);
        if (sscanf(at + strlen(mark), "%255[^\"]", tensors[count].name) != 1) stop("a tensor without a name", at);
        tensors[count].gradient = need(values, "gradient/", tensors[count].name);
        tensors[count].n = tensors[count].gradient.bytes / sizeof(float) / (size_t)steps;
        for (int s = 0; s < SLOTS; s++) {
            snprintf(prefix, sizeof prefix, "expected/%s/", SLOT[s]);
            tensors[count].kept[s] = find(values, prefix, tensors[count].name, &slot);
        }
    }
    size_t size = table(NULL, 0, values, tensors, count, steps);
    uint64_t length = size;
    char *text = malloc(size + 1);
    FILE *file = fopen(path, "wb");
    if (!text || !file) stop("cannot be written", path);
    table(text, size + 1, values, tensors, count, steps);
    write_out(file, &length, 8, path);
    write_out(file, text, size, path);
    for (long step = 0; step < steps; step++) {
        double rate = number(values, "learning_rate", (size_t)step);
        write_out(file, &rate, sizeof rate, path);
    }
    for (int t = 0; t < count; t++) log_tensor(file, values, &tensors[t], steps, rule, path);
    if (fclose(file) != 0) stop("cannot be written", path);
    free(text);
}

/* ---- the index --------------------------------------------------------------------------------------------------- */

/* One line a vector: id, rule, file, dtype, steps, and with commas between them what it requires, its flags, and every
   mistake that it was shown to catch; "-" for none. */
static const char *const CAN[] = {"momentum", "centered", "learning_rate_change"};
enum { MISTAKES = 256, LINE = 1 << 14 };
static char mistakes[MISTAKES][64];
static int alike[MISTAKES], known;

static const char *lacking(char *requires)
{
    for (char *word = strtok(requires, ","); word; word = strtok(NULL, ",")) {
        int can = strcmp(word, "-") == 0;
        for (size_t i = 0; i < sizeof CAN / sizeof *CAN; i++) can = can || strcmp(word, CAN[i]) == 0;
        if (!can) return word;
    }
    return NULL;
}

/* A mistake is like what fails if vectors that catch it fail and others pass; `passes` counts those that passed before
   the mistake was first named, none of which catches it. */
static void weigh(char *catches, int failed, int passes)
{
    char caught[MISTAKES] = {0};
    for (char *word = strtok(catches, ","); word; word = strtok(NULL, ",")) {
        int i = 0;
        while (i < known && strcmp(mistakes[i], word) != 0) i++;
        if (i == MISTAKES) stop("more mistakes than there is room for", word);
        if (i == known) {
            snprintf(mistakes[known], sizeof mistakes[0], "%s", word);
            alike[known++] = passes;
        }
        caught[i] = 1;
    }
    for (int i = 0; i < known; i++) alike[i] += caught[i] == failed;
}

int main(int argc, char **argv)
{
    static char requires[LINE], flags[LINE], catches[LINE];
    char path[2048], id[512], of[64], file[256], dtype[32];
    int passed = 0, failed = 0, skipped = 0, best = 0;
    long steps;
    size_t size;
    if (argc != 2 && argc != 3) stop("give the folder that `parity export` wrote, and perhaps a log to write", "usage");
    snprintf(path, sizeof path, "%s/index.tsv", argv[1]);
    char *index = read_file(path, &size);

    for (char *line = strchr(index, '\n'); line && line[1]; line = strchr(line + 1, '\n')) {
        if (sscanf(line + 1, "%511[^\t]\t%63[^\t]\t%255[^\t]\t%31[^\t]\t%ld\t%16383[^\t]\t%16383[^\t]\t%16383[^\n]", id, of,
                   file, dtype, &steps, requires, flags, catches) != 8 || steps < 1)
            stop("a line that is none of an index", path);
        const char *lack = strcmp(of, "rmsprop") != 0 ? of : strcmp(dtype, "float32") != 0 ? dtype : lacking(requires);
        if (lack) {
            if (argc == 2) printf("SKIP %s: needs %s\n", id, lack);
            skipped++;
            continue;
        }
        snprintf(path, sizeof path, "%s/%s", argv[1], file);
        Values values = open_values(path);
        if (argc == 3) {
            Rule rule = rule_of(&values);
            write_log(&values, steps, &rule, argv[2]);
            printf("LOG %s: %ld steps in %s\n", id, steps, argv[2]);
            return 0;
        }
        int good = judge_all(&values, steps);
        close_values(&values);
        printf(good ? "PASS %s\n" : "FAIL %s: it exists to catch %s\n", id, flags);
        weigh(catches, !good, passed);
        passed += good;
        failed += !good;
    }
    for (int i = 0; i < known; i++) best = alike[i] > best ? alike[i] : best;
    for (int i = 0; failed && i < known; i++)
        if (alike[i] == best)
            printf("most like %s: %d of %d vectors pass or fail as with it\n", mistakes[i], best, passed + failed);
    printf("%d passed, %d failed, %d skipped\n", passed, failed, skipped);
    free(index);
    return failed ? 1 : passed ? 0 : 2;
}
