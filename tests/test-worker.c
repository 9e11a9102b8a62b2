/* test-worker.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "worker-support.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "parallel-worker.h"

#define BIG_SIZE (64u * 1024 * 1024)

/* ---- the worker ---- */

static char *
run_shell (const char *command)
{
  FILE *stream = popen (command, "r");
  GString *text = g_string_new (NULL);
  int c;

  while ((c = getc (stream)) != EOF)
    g_string_append_c (text, c);
  pclose (stream);

  return g_string_free (text, FALSE);
}

/* Most to the buffered standard output, and all of it in the right order. */
static void
print_much (void)
{
  printf ("one\n");
  fprintf (stderr, "two\n");
  printf ("three\n");
  g_assert_cmpint (system ("echo four; echo five >&2"), ==, 0);
  printf ("six, without an end");
}

static char *
read_all (void)
{
  char buffer[10];

  return g_strdup_printf ("%d %d", (int) read (STDIN_FILENO, buffer, sizeof buffer), feof (stdin));
}

static gpointer
beat (gpointer worker)
{
  for (guint i = 0; i < 1000; i++)
    {
      parallel_worker_heartbeat (worker);
      g_usleep (100);
    }

  return NULL;
}

static void
beat_in_threads (ParallelWorker *worker)
{
  GThread *threads[4];

  for (guint i = 0; i < 4; i++)
    threads[i] = g_thread_new ("beat", beat, worker);
  for (guint i = 0; i < 4; i++)
    g_thread_join (threads[i]);
}

static void
report_much (ParallelWorker *worker)
{
  parallel_worker_report (worker, 0.25, "first");
  for (guint i = 0; i < 100000; i++)
    parallel_worker_report (worker, 0.5, "between");
  parallel_worker_report (worker, 2, "last \xff");
}

static char *
memory_peak (void)
{
  struct rusage usage;

  getrusage (RUSAGE_SELF, &usage);

  return g_strdup_printf ("%ld", usage.ru_maxrss);
}

static char *
do_command (ParallelWorker  *worker,
            const char      *command,
            GError         **error)
{
  if (g_str_has_prefix (command, "shell "))
    return run_shell (command + 6);
  if (g_str_equal (command, "print"))
    print_much ();
  else if (g_str_equal (command, "read"))
    return read_all ();
  else if (g_str_equal (command, "beat"))
    beat_in_threads (worker);
  else if (g_str_equal (command, "report"))
    report_much (worker);
  else if (g_str_equal (command, "memory"))
    return memory_peak ();
  else if (g_str_equal (command, "close"))
    close (STDOUT_FILENO);
  else if (g_str_equal (command, "kill"))
    {
      printf ("last words");
      fflush (stdout);
      raise (SIGKILL);
    }
  else if (g_str_equal (command, "error"))
    g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND, "Not\nfound \xff\n");
  else if (g_str_equal (command, "long-error"))
    {
      g_autofree char *text = g_strnfill (1000000, 'x');

      g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND, text);
    }
  else if (g_str_equal (command, "null"))
    return NULL;

  return g_strdup (command);
}

static GVariant *
do_step (ParallelWorker  *worker,
         GVariant        *input,
         gpointer         user_data,
         GError         **error)
{
  g_autofree char *result = NULL;

  g_assert_cmpstr (user_data, ==, "data");
  if (!g_variant_is_of_type (input, G_VARIANT_TYPE_STRING))
    return g_variant_ref (input);

  result = do_command (worker, g_variant_get_string (input, NULL), error);

  return result != NULL ? g_variant_new_string (result) : NULL;
}

static GVariant *
do_setup (ParallelWorker  *worker,
          GVariant        *input,
          gpointer         user_data,
          GError         **error)
{
  g_autofree char *text = g_variant_print (input, FALSE);

  g_assert_cmpstr (user_data, ==, "setup");
  printf ("setup with %s", text);
  if (g_variant_is_of_type (input, G_VARIANT_TYPE_UNIT))
    {
      g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND, "no setup");
      return NULL;
    }

  return g_variant_new_take_string (g_steal_pointer (&text));
}

static gboolean
at_exit (ParallelWorker  *worker,
         gpointer         user_data,
         GError         **error)
{
  printf ("at exit");
  if (g_str_equal (user_data, "onexit-fails"))
    g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND, "no exit");

  return g_str_equal (user_data, "onexit");
}

static void
count_call (gpointer user_data)
{
  fprintf (stderr, "[freed %s]", (char *) user_data);
}

static int
be_worker (int    argc,
           char **argv)
{
  ParallelWorker *worker = parallel_worker_new ();
  g_autoptr (GError) error = NULL;
  gboolean success;

  g_assert_true (parallel_worker_is_wanted (argc, argv));
  if (strstr (argv[2], "setup") != NULL)
    parallel_worker_set_setup (worker, do_setup, (gpointer) "setup", count_call);
  if (g_str_has_prefix (argv[2], "onexit"))
    parallel_worker_set_onexit (worker, at_exit, argv[2], count_call);
  if (g_str_equal (argv[2], "talks"))
    printf ("before");

  success = parallel_worker_run (worker, do_step, (gpointer) "data", &error);
  g_assert_true (success == (error == NULL));
  /* Nothing of this has an effect. */
  parallel_worker_heartbeat (worker);
  parallel_worker_report (worker, 0.5, "after");
  g_assert_finalize_object (worker);
  if (success)
    return 0;

  fprintf (stderr, "%s", error->message);

  return error->domain == G_IO_ERROR && error->code == G_IO_ERROR_BROKEN_PIPE ? 2
         : error->domain == G_IO_ERROR && error->code == G_IO_ERROR_INVALID_DATA ? 3 : 4;
}

/* ---- the tests ---- */

#define STR(text)      g_variant_new_string (text)
#define OUTPUT_AT_EOF  "The runner has closed the worker's input, and not told it to leave"
#define NO_RUNNER      "The program was started as a worker, but what comes on its standard input is not from a runner: "
#define NOT_UNDERSTOOD "The runner has said what is not understood: "

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
                                        "@ay []", "(byte 1, int64 2, byte 3, uint64 4)", "[(1, 'a'), (2, 'bc')]", "()" };
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
  static const char * const bad[] = { "abc", "a\0s", "\0\0\0", "\0(", "abc\0s" };
  static const gsize sizes[] = { 3, 3, 3, 2, 5 };
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
  engine_request (engine, 4, 0, STR ("fine"));
  engine_expect_text (engine, 4, "fine");
  engine_leave (engine, PARALLEL_OUTCOME_NOTHING);
  engine_finish (engine, 0, "<1><2><3><4>");
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

/* Through all with no more than one copy of it in the worker. */
static void
check_big (EngineFlags flags)
{
  Engine *engine = engine_start_ready ("", flags);
  guint8 *data = g_malloc (BIG_SIZE);
  g_autoptr (GVariant) value = NULL;
  g_autoptr (GVariant) result = NULL;
  g_autoptr (GVariant) peak = NULL;

  for (guint i = 0; i < BIG_SIZE; i++)
    data[i] = i * 31 >> 8;
  value = g_variant_ref_sink (g_variant_new_from_data (G_VARIANT_TYPE_BYTESTRING, data, BIG_SIZE, TRUE, g_free, data));
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
  check_big (ENGINE_PLAIN);
  check_big (ENGINE_SOCKET | ENGINE_NONBLOCKING);
}

static void
put_claim (Engine  *engine,
           guint64  serial)
{
  guint64 little = GUINT64_TO_LE (serial);

  g_assert_cmpint (write (engine->claims[1], &little, sizeof little), ==, sizeof little);
}

static void
test_claims (void)
{
  Engine *engine = engine_start_ready ("", ENGINE_SOCKET | ENGINE_CLAIMS);
  g_autoptr (GByteArray) requests = g_byte_array_new ();
  guint64 number;

  /* The second, the fourth and the last two were taken back. */
  put_claim (engine, 1);
  put_claim (engine, 3);
  put_claim (engine, 6);
  for (guint64 serial = 1; serial <= 8; serial++)
    engine_put_request (requests, serial, serial == 5 ? 0 : PARALLEL_FRAME_CLAIMED, STR (serial % 2 == 0 ? "even" : "odd"));
  engine_frame (engine, PARALLEL_FRAME_RUN, requests->data, requests->len);
  engine_expect_text (engine, 1, "odd");
  engine_expect_text (engine, 3, "odd");
  engine_expect_text (engine, 5, "odd");
  engine_expect_text (engine, 6, "even");

  /* One without a flag does not touch the pipe. */
  put_claim (engine, 10);
  engine_request (engine, 9, 0, STR ("nine"));
  engine_expect_text (engine, 9, "nine");
  g_assert_cmpint (read (engine->claims[0], &number, sizeof number), ==, sizeof number);
  g_assert_cmpuint (GUINT64_FROM_LE (number), ==, 10);
  engine_request (engine, 10, PARALLEL_FRAME_CLAIMED, STR ("taken back"));
  put_claim (engine, 11);
  engine_request (engine, 11, PARALLEL_FRAME_CLAIMED, STR ("kept"));
  engine_expect_text (engine, 11, "kept");

  g_assert_cmpint (read (engine->claims[0], &number, sizeof number), ==, -1);
  engine_leave (engine, PARALLEL_OUTCOME_NOTHING);
  engine_finish (engine, 0, "<1><3><5><6><9><11>");
}

/* A worker that has taken a number of a later request keeps it, also when the requests come one by one. */
static void
test_claim_kept (void)
{
  Engine *engine = engine_start_ready ("", ENGINE_SOCKET | ENGINE_CLAIMS);
  guint64 number;

  put_claim (engine, 4);
  for (guint serial = 1; serial <= 3; serial++)
    engine_request (engine, serial, PARALLEL_FRAME_CLAIMED, STR ("skipped"));
  engine_request (engine, 4, PARALLEL_FRAME_CLAIMED, STR ("done"));
  engine_expect_text (engine, 4, "done");
  g_assert_cmpint (read (engine->claims[0], &number, sizeof number), ==, -1);
  engine_leave (engine, PARALLEL_OUTCOME_NOTHING);
  engine_finish (engine, 0, "<4>");
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

  put_claim (before, 4);
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
  /* It leaves when its input ends, with the error of the setup. */
  engine_finish (engine, 4, NULL);
}

static void
test_setup_fails (void)
{
  Engine *engine = engine_start_ready ("setup", ENGINE_PLAIN);

  check_failed_setup ("setup", "no setup", "setup with ()<0>");
  check_failed_setup ("", "The worker was given a setup, for which it has no function", "<0>");

  engine_request (engine, 1, 0, STR ("a"));
  engine_expect_text (engine, 1, "a");
  engine_frame (engine, PARALLEL_FRAME_SETUP, NULL, 0);
  engine_finish (engine, 3, "<1>[freed setup]" NOT_UNDERSTOOD "a SETUP that is not the first frame");
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

/* The programs that a step starts have only what is theirs, and are no workers, and die of SIGPIPE as they should. */
static void
test_children (void)
{
  static const EngineFlags flags[] = { ENGINE_SOCKET | ENGINE_CLAIMS, ENGINE_ENVIRONMENT };

  for (guint i = 0; i < G_N_ELEMENTS (flags); i++)
    {
      Engine *engine = engine_start_ready ("", flags[i]);

      engine_request (engine, 1, 0, STR ("shell for fd in 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19; do "
                                         "if [ -e /proc/$$/fd/$fd ]; then echo $fd; fi; done"));
      engine_expect_text (engine, 1, "0\n1\n2\n");
      engine_request (engine, 2, 0, STR ("shell readlink /proc/self/fd/0; "
                                         "test $(readlink /proc/$PPID/fd/1) = $(readlink /proc/$PPID/fd/2) && echo same"));
      engine_expect_text (engine, 2, "/dev/null\nsame\n");
      engine_request (engine, 3, 0, STR ("shell echo \"${PARALLEL_GLIB_WORKER-unset}\""));
      engine_expect_text (engine, 3, "unset\n");
      engine_request (engine, 4, 0, STR ("shell sh -c 'echo before; kill -PIPE $$; echo after'"));
      engine_expect_text (engine, 4, "before\n");
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
    return be_worker (argc, argv);

  g_test_init (&argc, &argv, NULL);
  signal (SIGPIPE, SIG_DFL);
  alarm (100);

  g_test_add_func ("/worker/is-wanted", test_is_wanted);
  g_test_add_func ("/worker/handshake", test_handshake);
  g_test_add_func ("/worker/talks-before", test_talks_before);
  g_test_add_func ("/worker/requests", test_requests);
  g_test_add_func ("/worker/values", test_values);
  g_test_add_func ("/worker/raw-values", test_raw_values);
  g_test_add_func ("/worker/output", test_output);
  g_test_add_func ("/worker/failures", test_failures);
  g_test_add_func ("/worker/limit", test_limit);
  g_test_add_func ("/worker/crash", test_crash);
  g_test_add_func ("/worker/big", test_big);
  g_test_add_func ("/worker/claims", test_claims);
  g_test_add_func ("/worker/claims/kept", test_claim_kept);
  g_test_add_func ("/worker/claims/lost", test_claims_lost);
  g_test_add_func ("/worker/claims/wrong", test_claims_wrong);
  g_test_add_func ("/worker/setup", test_setup);
  g_test_add_func ("/worker/setup/fails", test_setup_fails);
  g_test_add_func ("/worker/onexit", test_onexit);
  g_test_add_func ("/worker/runner-goes", test_runner_goes);
  g_test_add_func ("/worker/malformed", test_malformed);
  g_test_add_func ("/worker/same-serial", test_same_serial);
  g_test_add_func ("/worker/terminal", test_terminal);
  g_test_add_func ("/worker/children", test_children);
  g_test_add_func ("/worker/alive", test_alive);

  return g_test_run ();
}
