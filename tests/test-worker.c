/* test-worker.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "worker-support.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "parallel-worker.h"

#define BIG_SIZE (64u * 1024 * 1024)

static void
test_is_wanted (void)
{
  char *argv[] = { (char *) "program", (char *) "--parallel-worker", (char *) "--more", NULL };

  g_unsetenv ("PARALLEL_GLIB_WORKER");
  g_assert_true (parallel_worker_is_wanted (2, argv));
  g_assert_false (parallel_worker_is_wanted (3, argv));
  g_assert_false (parallel_worker_is_wanted (1, argv));
  g_assert_false (parallel_worker_is_wanted (1, argv + 1));
  g_assert_false (parallel_worker_is_wanted (0, NULL));
  g_setenv ("PARALLEL_GLIB_WORKER", "0", TRUE);
  g_assert_false (parallel_worker_is_wanted (1, argv));
  g_setenv ("PARALLEL_GLIB_WORKER", "1", TRUE);
  g_assert_true (parallel_worker_is_wanted (1, argv));
  g_assert_true (parallel_worker_is_wanted (0, NULL));
  g_unsetenv ("PARALLEL_GLIB_WORKER");
}

static void
test_handshake (void)
{
  static const EngineFlags flags[] = { ENGINE_PLAIN, ENGINE_SOCKET, ENGINE_SOCKET | ENGINE_CLAIMS, ENGINE_ENVIRONMENT };

  for (guint i = 0; i < G_N_ELEMENTS (flags); i++)
    {
      Engine *engine = engine_start ("", flags[i]);
      g_autoptr (GBytes) payload = NULL;
      ParallelFrameReady ready;

      engine_say_start (engine, (flags[i] & ENGINE_CLAIMS) != 0);
      payload = engine_expect (engine, PARALLEL_FRAME_READY);
      g_assert_true (parallel_frame_parse_ready (payload, &ready, NULL));
      g_assert_cmpuint (ready.pid, ==, engine->pid);
      g_assert_cmpuint (ready.descriptors, ==, (flags[i] & ENGINE_CLAIMS) != 0 ? PARALLEL_FRAME_HAS_CLAIMS : 0);
      g_assert_cmpuint (ready.stack_signal, ==, 0);
      g_assert_cmpmem (ready.host, ready.host_size, g_get_host_name (), strlen (g_get_host_name ()));
      engine_leave (engine, PARALLEL_OUTCOME_NOTHING);
      engine_finish (engine, 0, "");
    }
}

/* What was printed too early is late, but not lost, and not in the protocol. */
static void
test_talks_before (void)
{
  Engine *engine = engine_start_ready ("talks", ENGINE_PLAIN);

  engine_request (engine, 1, 0, STR ("a"));
  engine_expect_text (engine, 1, "a");
  engine_expect_output (engine, "before<1>");
  engine_leave (engine, PARALLEL_OUTCOME_NOTHING);
  engine_finish (engine, 0, "");
}

/* Several in a frame, and several frames; and all of it byte by byte. */
static void
test_requests (void)
{
  for (guint bytewise = 0; bytewise < 2; bytewise++)
    {
      Engine *engine = engine_start_ready ("", ENGINE_PLAIN);
      g_autoptr (GByteArray) requests = g_byte_array_new ();
      g_autoptr (GByteArray) bytes = g_byte_array_new ();

      engine_put_request (requests, 1, 0, STR ("a"));
      engine_put_request (requests, 2, 0, STR (""));
      engine_put_request (requests, 300, 0, STR ("c"));
      parallel_frame_put_head (bytes, PARALLEL_FRAME_RUN, requests->len);
      g_byte_array_append (bytes, requests->data, requests->len);
      g_byte_array_set_size (requests, 0);
      engine_put_request (requests, G_MAXUINT64, 0, STR ("d"));
      parallel_frame_put_head (bytes, PARALLEL_FRAME_RUN, requests->len);
      g_byte_array_append (bytes, requests->data, requests->len);
      parallel_frame_put_head (bytes, PARALLEL_FRAME_LEAVE, 0);

      for (guint i = 0; i < bytes->len; i += bytewise ? 1 : bytes->len)
        engine_write (engine, bytes->data + i, bytewise ? 1 : bytes->len);
      engine_expect_text (engine, 1, "a");
      engine_expect_text (engine, 2, "");
      engine_expect_text (engine, 300, "c");
      engine_expect_text (engine, G_MAXUINT64, "d");
      g_bytes_unref (engine_expect (engine, PARALLEL_FRAME_LEFT));
      engine_finish (engine, 0, "<1><2><300><18446744073709551615>");
    }
}

static void
test_values (void)
{
  static const char * const texts[] = { "(1, 'a', [true, false], {'k': <2.5>})", "@a{sv} {}", "<<'deep'>>", "@mi nothing",
                                        "@ay []", "[byte 1, 2, 3]",
                                        "[int16 1, 2]", "[int64 1, 2]", "[1.5, 2.5]", "[true, false]", "(byte 1, int64 2, byte 3, uint64 4)", "[(1, 'a'), (2, 'bc')]", "()" };
  Engine *engine = engine_start_ready ("", ENGINE_PLAIN);

  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    {
      g_autoptr (GVariant) value = g_variant_ref_sink (g_variant_new_parsed (texts[i]));
      g_autoptr (GVariant) result = NULL;

      engine_request (engine, i + 1, 0, value);
      result = engine_expect_result (engine, i + 1);
      g_assert_cmpvariant (result, value);
    }
  engine_leave (engine, PARALLEL_OUTCOME_NOTHING);
  engine_finish (engine, 0, NULL);
}

static void
test_output (void)
{
  Engine *engine = engine_start_ready ("", ENGINE_PLAIN);

  engine_request (engine, 1, 0, STR ("print"));
  engine_expect_text (engine, 1, "print");
  /* The mark is there before the result is. */
  engine_expect_output (engine, "one\ntwo\nthree\nfour\nfive\nsix, without an end<1>");
  engine_request (engine, 2, 0, STR ("read"));
  engine_expect_text (engine, 2, "0 0");
  engine_request (engine, 3, 0, STR ("close"));
  engine_expect_text (engine, 3, "close");
  engine_expect_output (engine, "<2><3>");
  engine_leave (engine, PARALLEL_OUTCOME_NOTHING);
  engine_finish (engine, 0, "");
}

/* Through all with no more than one copy of it in the worker. */
static void
check_big (EngineFlags flags,
           guint       size)
{
  Engine *engine = engine_start_ready ("", flags);
  guint8 *data = g_malloc (size);
  g_autoptr (GVariant) value = NULL;
  g_autoptr (GVariant) result = NULL;
  g_autoptr (GVariant) peak = NULL;

  for (guint i = 0; i < size; i++)
    data[i] = i * 31 >> 8;
  value = g_variant_ref_sink (g_variant_new_from_data (G_VARIANT_TYPE_BYTESTRING, data, size, TRUE, g_free, data));
  engine_request (engine, 1, 0, value);
  result = engine_expect_result (engine, 1);
  g_assert_true (g_variant_equal (result, value));

  engine_request (engine, 2, 0, STR ("memory"));
  peak = engine_expect_result (engine, 2);
#ifndef __SANITIZE_ADDRESS__
  if (g_getenv ("PARALLEL_TEST_VALGRIND") == NULL)
    g_assert_cmpuint (g_ascii_strtoull (g_variant_get_string (peak, NULL), NULL, 10), <, 110 * 1024);
#endif
  engine_leave (engine, PARALLEL_OUTCOME_NOTHING);
  engine_finish (engine, 0, "<1><2>");
}

static void
test_big (void)
{
  check_big (ENGINE_PLAIN, BIG_SIZE);
  check_big (ENGINE_SOCKET | ENGINE_NONBLOCKING, BIG_SIZE / 16);
}

static void
test_claims (void)
{
  Engine *engine = engine_start_ready ("", ENGINE_SOCKET | ENGINE_CLAIMS);
  g_autoptr (GByteArray) requests = g_byte_array_new ();
  guint64 number;

  /* The second, the fourth and the last two were taken back. */
  engine_put_claim (engine, 1);
  engine_put_claim (engine, 3);
  engine_put_claim (engine, 6);
  for (guint64 serial = 1; serial <= 8; serial++)
    engine_put_request (requests, serial, serial == 5 ? 0 : PARALLEL_FRAME_CLAIMED, STR (serial % 2 == 0 ? "even" : "odd"));
  engine_frame (engine, PARALLEL_FRAME_RUN, requests->data, requests->len);
  engine_expect_text (engine, 1, "odd");
  engine_expect_text (engine, 3, "odd");
  engine_expect_text (engine, 5, "odd");
  engine_expect_text (engine, 6, "even");

  /* One without a flag does not touch the pipe. The first answer says that those before have been skipped. */
  engine_request (engine, 9, 0, STR ("nine"));
  engine_expect_text (engine, 9, "nine");
  engine_put_claim (engine, 11);
  engine_request (engine, 10, 0, STR ("ten"));
  engine_expect_text (engine, 10, "ten");
  g_assert_cmpint (read (engine->claims[0], &number, sizeof number), ==, sizeof number);
  g_assert_cmpuint (GUINT64_FROM_LE (number), ==, 11);
  engine_request (engine, 11, PARALLEL_FRAME_CLAIMED, STR ("taken back"));
  engine_put_claim (engine, 12);
  engine_request (engine, 12, PARALLEL_FRAME_CLAIMED, STR ("kept"));
  engine_expect_text (engine, 12, "kept");

  g_assert_cmpint (read (engine->claims[0], &number, sizeof number), ==, -1);
  engine_leave (engine, PARALLEL_OUTCOME_NOTHING);
  engine_finish (engine, 0, "<1><3><5><6><9><10><12>");
}

/* A worker that has taken a number of a later request keeps it, also when the requests come one by one. */
static void
test_claim_kept (void)
{
  Engine *engine = engine_start_ready ("", ENGINE_SOCKET | ENGINE_CLAIMS);
  guint64 number;

  engine_put_claim (engine, 4);
  for (guint serial = 1; serial <= 3; serial++)
    engine_request (engine, serial, PARALLEL_FRAME_CLAIMED, STR ("skipped"));
  engine_request (engine, 4, PARALLEL_FRAME_CLAIMED, STR ("done"));
  engine_expect_text (engine, 4, "done");
  g_assert_cmpint (read (engine->claims[0], &number, sizeof number), ==, -1);
  engine_leave (engine, PARALLEL_OUTCOME_NOTHING);
  engine_finish (engine, 0, "<4>");
}

static void
expect_set_up (Engine          *engine,
               ParallelOutcome *outcome,
               GBytes         **payload)
{
  *payload = engine_expect (engine, PARALLEL_FRAME_SET_UP);
  g_assert_true (parallel_frame_parse_outcome (*payload, outcome, NULL));
}

static void
test_setup (void)
{
  Engine *engine = engine_start_ready ("onexit-setup", ENGINE_PLAIN);
  g_autoptr (GBytes) input = engine_serialise (STR ("it"));
  g_autoptr (GBytes) payload = NULL;
  ParallelOutcome outcome;

  engine_frame (engine, PARALLEL_FRAME_SETUP, g_bytes_get_data (input, NULL), g_bytes_get_size (input));
  expect_set_up (engine, &outcome, &payload);
  g_assert_cmpuint (outcome.kind, ==, PARALLEL_OUTCOME_DONE);
  g_assert_cmpmem (outcome.data, outcome.size, "'it'\0\0s", 7);
  engine_expect_output (engine, "setup with 'it'<0>");
  engine_request (engine, 1, 0, STR ("a"));
  engine_expect_text (engine, 1, "a");
  engine_expect_output (engine, "<1>");
  engine_leave (engine, PARALLEL_OUTCOME_FAILED);
  engine_finish (engine, 0, "at exit[freed setup][freed onexit-setup]");
}

static void
check_failed_setup (const char *mode,
                    gboolean    with_step,
                    const char *message,
                    const char *output)
{
  Engine *engine = engine_start_ready (mode, ENGINE_PLAIN);
  g_autoptr (GBytes) payload = NULL;
  ParallelOutcome outcome;

  engine_frame (engine, PARALLEL_FRAME_SETUP, NULL, 0);
  expect_set_up (engine, &outcome, &payload);
  check_failed_outcome (&outcome, message, NULL, 0, NULL);
  engine_expect_output (engine, output);
  /* It does no steps, and leaves when its input ends, with the error of the setup. */
  if (with_step)
    engine_request (engine, 1, 0, STR ("print"));
  engine_finish (engine, 4, NULL);
}

static void
test_setup_fails (void)
{
  Engine *engine = engine_start_ready ("setup", ENGINE_PLAIN);

  check_failed_setup ("setup", TRUE, "no setup", "setup with ()<0>");
  check_failed_setup ("", FALSE, "The worker was given a setup, for which it has no function", "<0>");

  engine_request (engine, 1, 0, STR ("a"));
  engine_expect_text (engine, 1, "a");
  engine_frame (engine, PARALLEL_FRAME_SETUP, NULL, 0);
  engine_finish (engine, 3, "<1>[freed setup]The runner has said what is not understood: "
                            "a SETUP that is not the first frame");
}

static void
check_onexit (const char *mode,
              gboolean    with_step,
              guint       expected_left,
              const char *expected_output)
{
  Engine *engine = engine_start_ready (mode, ENGINE_PLAIN);

  if (with_step)
    {
      engine_request (engine, 1, 0, STR ("a"));
      engine_expect_text (engine, 1, "a");
    }
  engine_leave (engine, expected_left);
  engine_finish (engine, 0, expected_output);
}

static void
test_onexit (void)
{
  check_onexit ("onexit", TRUE, PARALLEL_OUTCOME_DONE, "<1>at exit[freed onexit]");
  check_onexit ("onexit", FALSE, PARALLEL_OUTCOME_NOTHING, "[freed onexit]");
  check_onexit ("onexit-fails", TRUE, PARALLEL_OUTCOME_FAILED, "<1>at exit[freed onexit-fails]");
  check_onexit ("onexit-null", TRUE, PARALLEL_OUTCOME_FAILED, "<1>at exit[freed onexit-null]");
}

/* The programs that a step starts have only what is theirs (3 is the test's own), and are no workers; and SIGPIPE is as
 * it was. */
static void
test_children (void)
{
  static const EngineFlags flags[] = { ENGINE_SOCKET | ENGINE_CLAIMS, ENGINE_ENVIRONMENT };

  for (guint i = 0; i < G_N_ELEMENTS (flags); i++)
    {
      Engine *engine = engine_start_ready ("", flags[i]);

      engine_request (engine, 1, 0, STR ("shell for fd in 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19; do "
                                         "if [ -e /proc/$$/fd/$fd ]; then echo $fd; fi; done"));
      engine_expect_text (engine, 1, "0\n1\n2\n3\n");
      engine_request (engine, 2, 0, STR ("shell readlink /proc/self/fd/0; "
                                         "test $(readlink /proc/$PPID/fd/1) = $(readlink /proc/$PPID/fd/2) && echo same"));
      engine_expect_text (engine, 2, "/dev/null\nsame\n");
      engine_request (engine, 3, 0, STR ("shell echo \"${PARALLEL_GLIB_WORKER-unset}\""));
      engine_expect_text (engine, 3, "unset\n");
      engine_request (engine, 4, 0, STR ("sigpipe"));
      engine_expect_text (engine, 4, "open, default");
      engine_leave (engine, PARALLEL_OUTCOME_NOTHING);
      engine_finish (engine, 0, "<1><2><3><4>");
    }
}

/* How many ALIVE there are before the result, and what the last one says. */
static guint
count_alive (Engine     *engine,
             guint64     serial,
             double     *progress,
             char      **status)
{
  guint n_alive = 0;

  while (TRUE)
    {
      guint kind = 0;
      g_autoptr (GBytes) payload = parallel_frame_reader_take (engine->reader, &kind, NULL);
      const char *text;
      gsize size;

      if (payload != NULL && kind == PARALLEL_FRAME_RESULT)
        return n_alive;
      if (payload != NULL)
        {
          g_assert_cmpuint (kind, ==, PARALLEL_FRAME_ALIVE);
          g_assert_true (parallel_frame_parse_alive (payload, progress, &text, &size, NULL));
          if (n_alive++ == 0 && *status != NULL)
            g_assert_cmpmem (text, size, *status, strlen (*status));
          g_free (*status);
          *status = g_strndup (text, size);
        }
      else
        {
          guint8 *place = parallel_frame_reader_reserve (engine->reader, &size);
          gssize n = read (engine->out, place, size);

          g_assert_cmpint (n, >, 0);
          parallel_frame_reader_commit (engine->reader, n);
        }
    }
}

static void
test_alive (void)
{
  Engine *engine = engine_start_ready ("", ENGINE_PLAIN);
  g_autofree char *status = NULL;
  double progress = 17;
  gint64 start = g_get_monotonic_time ();
  double seconds;
  guint n_alive;

  engine_request (engine, 1, 0, STR ("beat"));
  n_alive = count_alive (engine, 1, &progress, &status);
  seconds = (g_get_monotonic_time () - start) / 1e6;
  g_assert_cmpuint (n_alive, >=, 1);
  g_assert_cmpuint (n_alive, <=, 1 + seconds * 5);
  g_assert_cmpfloat (progress, ==, -1);
  g_assert_cmpstr (status, ==, "");

  start = g_get_monotonic_time ();
  g_free (status);
  status = g_strdup ("first");
  engine_request (engine, 2, 0, STR ("report"));
  n_alive = count_alive (engine, 2, &progress, &status);
  seconds = (g_get_monotonic_time () - start) / 1e6;
  g_assert_cmpuint (n_alive, >=, 2);
  g_assert_cmpuint (n_alive, <=, 12 + seconds * 5);
  g_assert_cmpfloat (progress, ==, 1);
  g_assert_cmpstr (status, ==, "last \357\277\275");

  /* Nothing of that is left for the next one. */
  engine_request (engine, 3, 0, STR ("a"));
  engine_expect_text (engine, 3, "a");
  engine_leave (engine, PARALLEL_OUTCOME_NOTHING);
  engine_finish (engine, 0, "<1><2><3>");
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

  g_test_add_func ("/worker/is-wanted", test_is_wanted);
  g_test_add_func ("/worker/handshake", test_handshake);
  g_test_add_func ("/worker/talks-before", test_talks_before);
  g_test_add_func ("/worker/requests", test_requests);
  g_test_add_func ("/worker/values", test_values);
  g_test_add_func ("/worker/output", test_output);
  g_test_add_func ("/worker/big", test_big);
  g_test_add_func ("/worker/claims", test_claims);
  g_test_add_func ("/worker/claims/kept", test_claim_kept);
  g_test_add_func ("/worker/setup", test_setup);
  g_test_add_func ("/worker/setup/fails", test_setup_fails);
  g_test_add_func ("/worker/onexit", test_onexit);
  g_test_add_func ("/worker/children", test_children);
  g_test_add_func ("/worker/alive", test_alive);

  return g_test_run ();
}
