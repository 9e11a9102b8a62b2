/* test-worker-faults.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

/* What goes wrong with a worker: in its steps, in what it is told, and with the runner. */

#include "worker-support.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

#define OUTPUT_AT_EOF  "The runner has closed the worker's input, and not told it to leave"
#define NO_RUNNER      "The program was started as a worker, but what comes on its standard input is not from a runner: "
#define NOT_UNDERSTOOD "The runner has said what is not understood: "

static void
send_raw (Engine     *engine,
          guint64     serial,
          const void *data,
          gsize       size)
{
  g_autoptr (GByteArray) request = g_byte_array_new ();

  parallel_frame_put_request (request, serial, 0, size);
  if (size > 0)
    g_byte_array_append (request, data, size);
  engine_frame (engine, PARALLEL_FRAME_RUN, request->data, request->len);
}

/* No bytes are no input; bad ones are a failure of the step, and the worker goes on. */
static void
test_raw_values (void)
{
  static const char * const bad[] = { "abc", "a\0s", "\0\0\0", "\0(", "abc\0s", "abc\0i", "abc\0aq", "\0*", "\0a?", "\0()" };
  static const gsize sizes[] = { 3, 3, 3, 2, 5, 5, 6, 2, 3, 3 };
  Engine *engine = engine_start_ready ("", ENGINE_PLAIN);
  g_autoptr (GVariant) nothing = NULL;

  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      send_raw (engine, i + 1, bad[i], sizes[i]);
      engine_expect_failure (engine, i + 1, "The input is not a serialised variant", "g-io-error-quark",
                             G_IO_ERROR_INVALID_DATA, "The input is not a serialised variant");
    }
  send_raw (engine, 11, NULL, 0);
  nothing = engine_expect_result (engine, 11);
  g_assert_cmpstr (g_variant_get_type_string (nothing), ==, "()");
  send_raw (engine, 12, "abc\0\0s", 6);
  engine_expect_text (engine, 12, "abc");
  engine_leave (engine, PARALLEL_OUTCOME_NOTHING);
  engine_finish (engine, 0, NULL);
}

static void
test_failures (void)
{
  Engine *engine = engine_start_ready ("", ENGINE_PLAIN);
  g_autofree char *start = g_strnfill (8192, 'x');
  g_autofree char *whole = g_strnfill (1000000, 'x');
  g_autoptr (GVariant) result = NULL;

  engine_request (engine, 1, 0, STR ("error"));
  engine_expect_failure (engine, 1, "Not found \357\277\275", "g-io-error-quark", G_IO_ERROR_NOT_FOUND,
                         "Not\nfound \357\277\275\n");
  engine_request (engine, 2, 0, STR ("null"));
  engine_expect_failure (engine, 2, "The function failed without an error (see the output of the step)",
                         "parallel-run-error-quark", 0,
                         "The function failed without an error (see the output of the step)");
  engine_request (engine, 3, 0, STR ("long-error"));
  engine_expect_failure (engine, 3, start, "g-io-error-quark", G_IO_ERROR_NOT_FOUND, whole);
  engine_request (engine, 4, 0, STR ("paragraphs"));
  engine_expect_failure (engine, 4, "Not found", "g-io-error-quark", G_IO_ERROR_NOT_FOUND,
                         "Not\nfound\n\nmore\n\nof it");
  engine_request (engine, 5, 0, STR ("fine"));
  engine_expect_text (engine, 5, "fine");
  engine_leave (engine, PARALLEL_OUTCOME_NOTHING);
  engine_finish (engine, 0, "<1><2><3><4><5>");
}

/* Neither the result nor the failure may be more than the runner takes. */
static void
test_limit (void)
{
  Engine *engine = engine_start ("", ENGINE_PLAIN);
  /* length 1, serial 8, outcome 1, zero of the string 1, zero 1, type 1 */
  static const gsize most = PARALLEL_FRAME_HANDSHAKE_LIMIT - 13;
  g_autofree char *command = NULL;
  g_autofree char *start = g_strnfill (8192, 'x');

  engine->limit = PARALLEL_FRAME_HANDSHAKE_LIMIT;
  engine_say_start (engine, 0);
  g_bytes_unref (engine_expect (engine, PARALLEL_FRAME_READY));
  for (guint i = 0; i < 2; i++)
    {
      command = g_strdup_printf ("shell head -c %u /dev/zero | tr '\\0' x", (guint) most + i);
      engine_request (engine, i + 1, 0, STR (command));
      g_free (command);
    }
  command = g_strnfill (most, 'x');
  engine_expect_text (engine, 1, command);
  engine_expect_failure (engine, 2, "The result has 65525 bytes, and the runner takes no more than 65536", NULL, 0, NULL);
  engine_request (engine, 3, 0, STR ("long-error"));
  engine_expect_failure (engine, 3, start, NULL, 0, NULL);
  engine_leave (engine, PARALLEL_OUTCOME_NOTHING);
  engine_finish (engine, 0, "<1><2><3>");
}

static void
test_crash (void)
{
  Engine *engine = engine_start_ready ("onexit", ENGINE_PLAIN);

  engine_request (engine, 1, 0, STR ("a"));
  engine_request (engine, 2, 0, STR ("kill"));
  engine_expect_text (engine, 1, "a");
  engine_finish (engine, -SIGKILL, "<1>last words");
}

/* Where something between the two has lost the descriptors. */
static void
test_claims_lost (void)
{
  Engine *engine = engine_start ("", ENGINE_PLAIN);
  g_autoptr (GBytes) payload = NULL;
  ParallelFrameReady ready;

  engine_say_start (engine, PARALLEL_FRAME_HAS_CLAIMS | PARALLEL_FRAME_HAS_STACKS);
  payload = engine_expect (engine, PARALLEL_FRAME_READY);
  g_assert_true (parallel_frame_parse_ready (payload, &ready, NULL));
  g_assert_cmpuint (ready.descriptors, ==, 0);
  engine_request (engine, 1, 0, STR ("a"));
  engine_expect_text (engine, 1, "a");
  engine_request (engine, 2, PARALLEL_FRAME_CLAIMED, STR ("b"));
  engine_finish (engine, 3, "<1>A request is claimed, without claims");
}

static void
test_claims_wrong (void)
{
  Engine *before = engine_start_ready ("", ENGINE_SOCKET | ENGINE_CLAIMS);
  Engine *cut = engine_start_ready ("", ENGINE_SOCKET | ENGINE_CLAIMS);
  Engine *closed = engine_start_ready ("", ENGINE_SOCKET | ENGINE_CLAIMS);

  engine_put_claim (before, 4);
  engine_request (before, 5, PARALLEL_FRAME_CLAIMED, STR ("a"));
  engine_finish (before, 3, "A claim is of a request that was before");

  g_assert_cmpint (write (cut->claims[1], "abc", 3), ==, 3);
  engine_request (cut, 5, PARALLEL_FRAME_CLAIMED, STR ("a"));
  engine_finish (cut, 3, "What comes as claims is not understood");

  close (closed->claims[1]);
  closed->claims[1] = -1;
  engine_request (closed, 5, PARALLEL_FRAME_CLAIMED, STR ("a"));
  engine_finish (closed, 2, "The runner has closed the claims");
}

static void
test_runner_goes (void)
{
  Engine *idle = engine_start_ready ("onexit", ENGINE_PLAIN);
  Engine *busy = engine_start_ready ("", ENGINE_PLAIN);
  Engine *early = engine_start ("", ENGINE_PLAIN);

  engine_request (idle, 1, 0, STR ("a"));
  engine_expect_text (idle, 1, "a");
  engine_finish (idle, 2, "<1>[freed onexit]" OUTPUT_AT_EOF);

  /* It must not die of SIGPIPE. */
  close (busy->out);
  busy->out = -1;
  engine_request (busy, 1, 0, STR ("a"));
  engine_finish (busy, 2, "<1>Cannot answer the runner: Broken pipe");

  engine_write (early, "\35\0\0", 3);
  engine_finish (early, 2, NO_RUNNER OUTPUT_AT_EOF);
}

static void
check_refused (gboolean    ready,
               const void *data,
               gsize       size,
               const char *message)
{
  Engine *engine = ready ? engine_start_ready ("", ENGINE_PLAIN) : engine_start ("", ENGINE_PLAIN);

  engine_write (engine, data, size);
  engine_finish (engine, 3, message);
}

#define BYTES(text) text, sizeof (text) - 1

static void
test_malformed (void)
{
  check_refused (FALSE, BYTES ("\0\0\0\0"), NO_RUNNER NOT_UNDERSTOOD "A frame of length 0");
  check_refused (FALSE, BYTES ("\1\0\1\0"),
                 NO_RUNNER NOT_UNDERSTOOD "A frame of 65537 bytes, where 65536 are the limit");
  check_refused (FALSE, BYTES ("\1\0\0\0\4"), NO_RUNNER "The first frame is no START");
  check_refused (FALSE, BYTES ("\1\0\0\0\1"), NO_RUNNER "A START without PGLW");
  check_refused (FALSE, BYTES ("hello, is there anyone?\n"),
                 NO_RUNNER NOT_UNDERSTOOD "A frame of 1819043176 bytes, where 65536 are the limit");
  check_refused (TRUE, BYTES ("\0\0\0\0"), NOT_UNDERSTOOD "A frame of length 0");
  check_refused (TRUE, BYTES ("\1\0\0\0\5"), NOT_UNDERSTOOD "a frame of an unknown kind");
  check_refused (TRUE, BYTES ("\1\0\0\0\1"), NOT_UNDERSTOOD "a frame of an unknown kind");
  check_refused (TRUE, BYTES ("\377\377\377\377\3"),
                 NOT_UNDERSTOOD "A frame of 4294967295 bytes, where 104857600 are the limit");
  check_refused (TRUE, BYTES ("\1\0\0\0\3"), NOT_UNDERSTOOD "A RUN with a truncated request");
  check_refused (TRUE, BYTES ("\16\0\0\0\3\1\0\0\0\0\0\0\0\0\1\0\0\0"), NOT_UNDERSTOOD "A RUN with a truncated request");
  check_refused (TRUE, BYTES ("\16\0\0\0\3\0\0\0\0\0\0\0\0\0\0\0\0\0"), NOT_UNDERSTOOD "A request with the serial 0");
  check_refused (TRUE, BYTES ("\2\0\0\0\4x"), NOT_UNDERSTOOD "a LEAVE with a payload");
}

static void
test_same_serial (void)
{
  Engine *engine = engine_start_ready ("", ENGINE_PLAIN);

  engine_request (engine, 2, 0, STR ("a"));
  engine_expect_text (engine, 2, "a");
  engine_request (engine, 2, 0, STR ("a"));
  engine_finish (engine, 3, "<2>" NOT_UNDERSTOOD "a request that is not after the one before");
}

static void
test_terminal (void)
{
  Engine *engine = engine_start ("", ENGINE_TERMINAL);
  int status_kept_open = engine->in;

  engine->in = -1;
  engine_finish (engine, 3, "A worker is started by a runner, which tells it on its standard input what to do; "
                            "here that is a terminal");
  close (status_kept_open);
}

int
main (int   argc,
      char *argv[])
{
  if (argc >= 3 && g_str_equal (argv[1], "worker"))
    return worker_program (argc, argv);

  g_test_init (&argc, &argv, NULL);
  signal (SIGPIPE, SIG_DFL);
  alarm (100);

  g_test_add_func ("/worker/faults/raw-values", test_raw_values);
  g_test_add_func ("/worker/faults/failures", test_failures);
  g_test_add_func ("/worker/faults/limit", test_limit);
  g_test_add_func ("/worker/faults/crash", test_crash);
  g_test_add_func ("/worker/faults/claims/lost", test_claims_lost);
  g_test_add_func ("/worker/faults/claims/wrong", test_claims_wrong);
  g_test_add_func ("/worker/faults/runner-goes", test_runner_goes);
  g_test_add_func ("/worker/faults/malformed", test_malformed);
  g_test_add_func ("/worker/faults/same-serial", test_same_serial);
  g_test_add_func ("/worker/faults/terminal", test_terminal);

  return g_test_run ();
}
