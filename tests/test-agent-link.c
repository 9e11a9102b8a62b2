/* test-agent-link.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "parallel-agent-link.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "parallel-engine.h"

/* Frames between the halves of parallel-glib-agent. The sources are in the main context here: there is no engine. */

typedef struct
{
  ParallelAgentLink *link;
  GString           *heard;     /* "kind:text;" */
  char              *why;
  guint              n_ended;
  guint              n_gone;
  guint              n_drained;
  gboolean           frees;     /* the link at its first frame */
  int                in;        /* to write what the link reads */
  int                out;       /* to read what it writes */
} Fixture;

static void
frame_cb (gpointer           owner,
          ParallelAgentLink *link,
          guint              kind,
          const guint8      *data,
          gsize              size)
{
  Fixture *self = owner;

  g_string_append_printf (self->heard, "%u:", kind);
  g_string_append_len (self->heard, (const char *) data, MIN (size, 20));
  g_string_append_c (self->heard, ';');
  if (self->frees)
    g_clear_pointer (&self->link, parallel_agent_link_free);
}

static void
drained_cb (gpointer owner)
{
  ((Fixture *) owner)->n_drained++;
}

static void
ended_cb (gpointer           owner,
          ParallelAgentLink *link,
          const char        *why)
{
  Fixture *self = owner;

  self->n_ended++;
  g_free (self->why);
  self->why = g_strdup (why);
}

static void
gone_cb (gpointer owner)
{
  ((Fixture *) owner)->n_gone++;
}

static const ParallelAgentLinkFuncs funcs = {
  .frame = frame_cb, .drained = drained_cb, .ended = ended_cb, .gone = gone_cb
};

static void
fixture_init (Fixture  *self,
              gboolean  has_magic)
{
  int in[2];
  int out[2];

  *self = (Fixture) { .heard = g_string_new (NULL) };
  g_assert_cmpint (pipe2 (in, O_CLOEXEC), ==, 0);
  g_assert_cmpint (pipe2 (out, O_CLOEXEC), ==, 0);
  self->in = in[1];
  self->out = out[0];
  self->link = parallel_agent_link_new (in[0], out[1], has_magic, &funcs, self);
}

static void
fixture_clear (Fixture *self)
{
  g_clear_pointer (&self->link, parallel_agent_link_free);
  g_string_free (self->heard, TRUE);
  g_free (self->why);
  if (self->in >= 0)
    close (self->in);
  close (self->out);
}

static void
iterate (void)
{
  while (g_main_context_iteration (NULL, FALSE))
    ;
}

static void
put (Fixture    *self,
     const void *data,
     gsize       size)
{
  g_assert_cmpint (write (self->in, data, size), ==, size);
  iterate ();
}

static void
close_in (Fixture *self)
{
  close (self->in);
  self->in = -1;
  iterate ();
}

/* As the link writes them itself. */
static GByteArray *
make_frames (gboolean has_magic)
{
  GByteArray *bytes = g_byte_array_new ();
  Fixture fixture;
  guint8 buffer[4096];
  gssize n;

  fixture_init (&fixture, FALSE);
  if (has_magic)
    {
      g_byte_array_append (bytes, (const guint8 *) "Welcome\n\nparallel", 17);
      parallel_agent_link_write_raw (fixture.link, PARALLEL_AGENT_MAGIC);
    }
  parallel_agent_link_send (fixture.link, PARALLEL_AGENT_INPUT, "abc", 3);
  parallel_agent_link_send (fixture.link, PARALLEL_AGENT_ALIVE, NULL, 0);
  parallel_agent_link_send (fixture.link, PARALLEL_AGENT_OUTPUT, "\n\n", 2);
  g_assert_cmpuint (parallel_agent_link_get_pending (fixture.link), ==, 0);
  n = read (fixture.out, buffer, sizeof buffer);
  g_byte_array_append (bytes, buffer, n);
  fixture_clear (&fixture);

  return bytes;
}

#define EXPECTED "2:abc;5:;67:\n\n;"

static void
check_cuts (gboolean has_magic)
{
  g_autoptr (GByteArray) bytes = make_frames (has_magic);

  for (gsize first = 0; first <= bytes->len; first++)
    for (gsize second = first; second <= bytes->len; second += 3)
      {
        Fixture fixture;

        fixture_init (&fixture, has_magic);
        put (&fixture, bytes->data, first);
        put (&fixture, bytes->data + first, second - first);
        put (&fixture, bytes->data + second, bytes->len - second);
        g_assert_cmpstr (fixture.heard->str, ==, EXPECTED);
        g_assert_cmpuint (fixture.n_ended, ==, 0);
        fixture_clear (&fixture);
      }
}

static void
test_cuts (void)
{
  g_test_summary ("Frames are the same wherever they are cut, also behind a preface");
  check_cuts (FALSE);
  check_cuts (TRUE);
}

static void
test_impossible (void)
{
  static const struct { guint8 bytes[6]; const char *why; } cases[] = {
    { { 0, 0, 0, 0, 1, '\n' }, "it has sent a frame of an impossible length" },
    { { 0, 0, 0, 0xff, 1, '\n' }, "it has sent a frame of an impossible length" },
    { { 1, 0, 0, 0, 1, 'x' }, "it has sent a frame that does not end where it should" },
  };

  g_test_summary ("What is no frame is told once, and nothing is heard after it");
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      Fixture fixture;

      fixture_init (&fixture, FALSE);
      put (&fixture, "\4\0\0\0\2abc\n", 9);
      put (&fixture, cases[i].bytes, 6);
      put (&fixture, "\4\0\0\0\2abc\n", 9);
      parallel_agent_link_set_paused (fixture.link, TRUE);
      parallel_agent_link_set_paused (fixture.link, FALSE);
      close_in (&fixture);
      g_assert_cmpstr (fixture.heard->str, ==, "2:abc;");
      g_assert_cmpstr (fixture.why, ==, cases[i].why);
      g_assert_cmpuint (fixture.n_ended, ==, 1);
      fixture_clear (&fixture);
    }
}

static void
test_rubbish (void)
{
  Fixture fixture;
  g_autofree char *line = g_strnfill (1024, 'y');

  g_test_summary ("A preface that has no end is not read for ever");
  fixture_init (&fixture, TRUE);
  for (guint i = 0; i < 66; i++)
    put (&fixture, line, 1024);
  g_assert_cmpuint (fixture.n_ended, ==, 1);
  g_assert_true (g_str_has_prefix (fixture.why, "what came is not from parallel-glib-agent: “yyy"));
  fixture_clear (&fixture);
}

static void
test_end (void)
{
  Fixture fixture;
  g_autofree char *preface = NULL;

  g_test_summary ("The end is told once, and what was said instead of a frame can be seen");
  fixture_init (&fixture, TRUE);
  g_assert_null (parallel_agent_link_dup_preface (fixture.link));
  put (&fixture, " no \xff such host\n", 16);
  g_assert_false (parallel_agent_link_has_ended (fixture.link));
  close_in (&fixture);
  g_assert_cmpuint (fixture.n_ended, ==, 1);
  g_assert_true (parallel_agent_link_has_ended (fixture.link));
  preface = parallel_agent_link_dup_preface (fixture.link);
  g_assert_cmpstr (preface, ==, "no \357\277\275 such host");
  fixture_clear (&fixture);
}

static void
test_free (void)
{
  Fixture fixture;

  g_test_summary ("It can be freed while it gives out frames");
  fixture_init (&fixture, FALSE);
  fixture.frees = TRUE;
  put (&fixture, "\4\0\0\0\2abc\n\4\0\0\0\2abc\n", 18);
  g_assert_cmpstr (fixture.heard->str, ==, "2:abc;");
  fixture_clear (&fixture);
}

static void
test_paused (void)
{
  Fixture fixture;

  g_test_summary ("While it is paused nothing is read, but the end of the other side is told");
  fixture_init (&fixture, FALSE);
  parallel_agent_link_set_paused (fixture.link, TRUE);
  put (&fixture, "\4\0\0\0\2abc\n", 9);
  g_assert_cmpstr (fixture.heard->str, ==, "");
  g_assert_cmpuint (fixture.n_gone, ==, 0);
  close_in (&fixture);
  g_assert_cmpuint (fixture.n_gone, ==, 1);
  g_assert_cmpuint (fixture.n_ended, ==, 0);
  parallel_agent_link_set_paused (fixture.link, FALSE);
  iterate ();
  g_assert_cmpstr (fixture.heard->str, ==, "2:abc;");
  g_assert_cmpuint (fixture.n_ended, ==, 1);
  fixture_clear (&fixture);
}

static void
test_drain (void)
{
  Fixture fixture;

  g_test_summary ("What has come can be heard at once");
  fixture_init (&fixture, FALSE);
  g_assert_cmpint (write (fixture.in, "\4\0\0\0\2abc\n\4\0\0", 12), ==, 12);
  parallel_agent_link_drain (fixture.link);
  g_assert_cmpstr (fixture.heard->str, ==, "2:abc;");
  put (&fixture, "\0\2xyz\n", 6);
  g_assert_cmpstr (fixture.heard->str, ==, "2:abc;2:xyz;");
  fixture_clear (&fixture);
}

/* A reader that is always behind, by less than what makes a writer wait. */
static void
test_slow_reader (void)
{
  int fds[2];
  ParallelAgentWriter *writer;
  static const ParallelAgentWriterFuncs writer_funcs = { .drained = drained_cb, .broken = drained_cb };
  Fixture owner = { 0 };
  g_autofree guint8 *data = g_malloc0 (128 * 1024);
  gsize sent = 0;
  gsize received = 0;
  gsize most = 0;

  g_test_summary ("The memory of a writer with a slow reader stays bounded");
  g_assert_cmpint (pipe2 (fds, O_CLOEXEC | O_NONBLOCK), ==, 0);
  writer = parallel_agent_writer_new (fds[1], &writer_funcs, &owner);
  parallel_agent_writer_write (writer, data, 128 * 1024);
  parallel_agent_writer_write (writer, data, 128 * 1024);
  sent = 256 * 1024;
  for (guint i = 0; i < 2000; i++)
    {
      gssize n;

      parallel_agent_writer_write (writer, data, 64 * 1024);
      sent += 64 * 1024;
      for (gsize got = 0; got < 64 * 1024; got += n)
        {
          n = read (fds[0], data, 64 * 1024 - got);
          g_assert_cmpint (n, >, 0);
          received += n;
          iterate ();
        }
      most = MAX (most, parallel_agent_writer_get_memory (writer));
    }
  g_assert_cmpuint (owner.n_drained, ==, 0);
  g_assert_cmpuint (most, <, 4 * PARALLEL_AGENT_FULL);
  while (received < sent)
    {
      gssize n = read (fds[0], data, 64 * 1024);

      g_assert_cmpint (n, >, 0);
      received += n;
      iterate ();
    }
  g_assert_cmpuint (received, ==, sent);
  parallel_agent_writer_free (writer);
  close (fds[0]);
}

/* Each has one descriptor of the socket for reading and one for writing. */
static void
test_socket (void)
{
  Fixture fixture = { .heard = g_string_new (NULL), .in = -1 };
  int fds[2];
  char buffer[64];

  g_test_summary ("The other end of a socket sees its end, when all is written");
  g_assert_cmpint (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), ==, 0);
  fixture.out = fds[1];
  fixture.link = parallel_agent_link_new (fds[0], fds[0], FALSE, &funcs, &fixture);
  parallel_agent_link_send (fixture.link, PARALLEL_AGENT_INPUT, "abc", 3);
  parallel_agent_link_close (fixture.link);
  g_assert_cmpint (read (fds[1], buffer, sizeof buffer), ==, 9);
  g_assert_cmpint (read (fds[1], buffer, sizeof buffer), ==, 0);
  g_assert_cmpint (write (fds[1], "\4\0\0\0\2abc\n", 9), ==, 9);
  iterate ();
  g_assert_cmpstr (fixture.heard->str, ==, "2:abc;");
  fixture_clear (&fixture);
}

static void
test_dict (void)
{
  static const char * const texts[] = { "", "{", "'text'", "{'a': 1}", "{'status': <1>} x" };

  g_test_summary ("What is no dictionary is none");
  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    g_assert_null (parallel_agent_parse_dict ((const guint8 *) texts[i], strlen (texts[i])));
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/agent-link/cuts", test_cuts);
  g_test_add_func ("/agent-link/impossible", test_impossible);
  g_test_add_func ("/agent-link/rubbish", test_rubbish);
  g_test_add_func ("/agent-link/end", test_end);
  g_test_add_func ("/agent-link/free", test_free);
  g_test_add_func ("/agent-link/paused", test_paused);
  g_test_add_func ("/agent-link/drain", test_drain);
  g_test_add_func ("/agent-link/slow-reader", test_slow_reader);
  g_test_add_func ("/agent-link/socket", test_socket);
  g_test_add_func ("/agent-link/dict", test_dict);
  return g_test_run ();
}
