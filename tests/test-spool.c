/* test-spool.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "parallel-spool.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <glib/gstdio.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_EXTENT PARALLEL_SPOOL_MAX_EXTENT
#define MIN_EXTENT PARALLEL_SPOOL_MIN_EXTENT

/* The number of open descriptors, and in @spool_fd the one of the only file without a name. */
static guint
count_fds (int *spool_fd)
{
  g_autoptr (GDir) dir = g_dir_open ("/proc/self/fd", 0, NULL);
  struct rlimit limit;
  const char *name;
  guint n = 0;

  g_assert_nonnull (dir);
  g_assert_no_errno (getrlimit (RLIMIT_NOFILE, &limit));
  *spool_fd = -1;

  while ((name = g_dir_read_name (dir)) != NULL)
    {
      int fd = g_ascii_strtoull (name, NULL, 10);
      struct stat st;

      /* Beyond the limit are valgrind's own. */
      if ((rlim_t) fd >= limit.rlim_cur)
        continue;

      n++;
      if (fd > 2 && fstat (fd, &st) == 0 && S_ISREG (st.st_mode) && st.st_nlink == 0)
        {
          g_assert_cmpint (*spool_fd, ==, -1);
          *spool_fd = fd;
        }
    }

  return n;
}

static void
get_file (struct stat *st)
{
  int fd;

  count_fds (&fd);
  g_assert_cmpint (fd, !=, -1);
  g_assert_no_errno (fstat (fd, st));
}

static goffset
get_used (void)
{
  struct stat st;

  get_file (&st);
  return (goffset) st.st_blocks * 512;
}

static void
allocate (ParallelSpool  *spool,
          gsize           size,
          ParallelExtent *extent)
{
  g_autoptr (GError) error = NULL;
  gboolean res = parallel_spool_allocate (spool, size, extent, &error);

  g_assert_no_error (error);
  g_assert_true (res);
}

static void
fill (ParallelSpool        *spool,
      const ParallelExtent *extent,
      guint8                byte)
{
  g_autofree guint8 *data = g_malloc (extent->size);
  g_autoptr (GError) error = NULL;
  gboolean res;

  memset (data, byte, extent->size);
  res = parallel_spool_write (spool, extent->offset, data, extent->size, &error);
  g_assert_no_error (error);
  g_assert_true (res);
}

static void
check_filled (ParallelSpool        *spool,
              const ParallelExtent *extent,
              guint8                byte)
{
  g_autofree guint8 *data = g_malloc (extent->size);
  g_autoptr (GError) error = NULL;
  gboolean res = parallel_spool_read (spool, extent->offset, data, extent->size, &error);

  g_assert_no_error (error);
  g_assert_true (res);

  for (gsize i = 0; i < extent->size; i++)
    {
      if (data[i] != byte)
        g_assert_cmpuint (data[i], ==, byte);
    }
}

static void
make_pipe (int *fds)
{
  g_assert_true (g_unix_open_pipe (fds, FD_CLOEXEC, NULL));
  g_assert_true (g_unix_set_fd_nonblocking (fds[0], TRUE, NULL));
}

static void
write_fd (int         fd,
          const void *data,
          gsize       length)
{
  g_assert_cmpint (write (fd, data, length), ==, length);
}

static void
test_file (void)
{
  g_autoptr (ParallelSpool) spool = parallel_spool_new ();
  ParallelExtent extent;
  struct stat st;
  guint before;
  int fd;

  before = count_fds (&fd);
  g_assert_cmpint (fd, ==, -1);

  allocate (spool, 1, &extent);
  g_assert_cmpuint (count_fds (&fd), ==, before + 1);
  get_file (&st);
  g_assert_cmpint (st.st_mode & 0777, ==, 0600);
  g_assert_cmpint (fcntl (fd, F_GETFD) & FD_CLOEXEC, !=, 0);

  /* It has no name: main() could not remove the folder at the end otherwise. */
  g_assert_cmpint (st.st_nlink, ==, 0);

  g_assert_true (parallel_spool_ref (spool) == spool);
  parallel_spool_unref (spool);
  parallel_spool_free (spool, &extent);
  g_assert_cmpuint (count_fds (&fd), ==, before + 1);

  g_clear_pointer (&spool, parallel_spool_unref);
  g_assert_cmpuint (count_fds (&fd), ==, before);
}

static void
test_sizes (void)
{
  const struct { gsize wanted; gsize given; } cases[] = {
    { 0, MIN_EXTENT }, { 1, MIN_EXTENT }, { MIN_EXTENT, MIN_EXTENT },
    { MIN_EXTENT + 1, 2 * MIN_EXTENT }, { 2 * MIN_EXTENT, 2 * MIN_EXTENT },
    { 100000, 128 * 1024 }, { 128 * 1024, 128 * 1024 }, { MAX_EXTENT / 2 + 1, MAX_EXTENT },
    { MAX_EXTENT, MAX_EXTENT }, { MAX_EXTENT + 1, MAX_EXTENT }, { G_MAXSIZE, MAX_EXTENT },
  };
  g_autoptr (ParallelSpool) spool = parallel_spool_new ();
  ParallelExtent extents[G_N_ELEMENTS (cases)];

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      allocate (spool, cases[i].wanted, &extents[i]);
      g_assert_cmpuint (extents[i].size, ==, cases[i].given);
      fill (spool, &extents[i], i);
    }

  /* None lies over another. */
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    check_filled (spool, &extents[i], i);

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    parallel_spool_free (spool, &extents[i]);
}

static void
test_bytes (void)
{
  g_autoptr (ParallelSpool) spool = parallel_spool_new ();
  g_autoptr (GError) error = NULL;
  ParallelExtent extent;
  guint8 data[256], copy[256];

  for (guint i = 0; i < 256; i++)
    data[i] = i;

  allocate (spool, 4096, &extent);
  g_assert_true (parallel_spool_write (spool, extent.offset + 100, data, 256, &error));
  g_assert_true (parallel_spool_read (spool, extent.offset + 100, copy, 256, &error));
  g_assert_cmpmem (data, 256, copy, 256);
  g_assert_true (parallel_spool_read (spool, extent.offset + 110, copy, 3, &error));
  g_assert_cmpmem (data + 10, 3, copy, 3);

  g_assert_true (parallel_spool_write (spool, extent.offset, NULL, 0, &error));
  g_assert_true (parallel_spool_read (spool, extent.offset, NULL, 0, &error));
  g_assert_no_error (error);

  /* What nobody wrote is an error and not zeros at the end of the file. */
  g_assert_false (parallel_spool_read (spool, extent.offset + 300, copy, 200, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_FAILED);
  g_assert_nonnull (strstr (error->message, g_get_tmp_dir ()));

  parallel_spool_free (spool, &extent);
}

static void
test_reuse (void)
{
  g_autoptr (ParallelSpool) spool = parallel_spool_new ();
  ParallelExtent keep, small, big, other;

  allocate (spool, 1, &keep);
  allocate (spool, 1, &small);
  allocate (spool, MAX_EXTENT, &big);
  fill (spool, &small, 'x');

  parallel_spool_free (spool, &big);
  parallel_spool_free (spool, &small);

  allocate (spool, 1, &other);
  g_assert_cmpint (other.offset, ==, small.offset);
  allocate (spool, MAX_EXTENT, &other);
  g_assert_cmpint (other.offset, ==, big.offset);

  /* Used up: the next ones are new. */
  allocate (spool, 1, &other);
  g_assert_cmpint (other.offset, >, keep.offset);
  g_assert_cmpint (other.offset, !=, small.offset);
}

static gboolean
can_make_holes (void)
{
  int fd;

  count_fds (&fd);
  if (fallocate (fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096) == 0)
    return TRUE;

  g_test_skip ("This file system cannot make holes");
  return FALSE;
}

static void
test_room_returned (void)
{
  g_autoptr (ParallelSpool) spool = parallel_spool_new ();
  ParallelExtent small, big[3];
  struct stat st;

  allocate (spool, 1, &small);
  if (!can_make_holes ())
    return;

  fill (spool, &small, 's');
  for (guint i = 0; i < 3; i++)
    {
      allocate (spool, MAX_EXTENT, &big[i]);
      fill (spool, &big[i], i);
    }
  g_assert_cmpint (get_used (), >=, 3 * MAX_EXTENT);

  /* Whatever the file system's bookkeeping adds, it is less than a big extent. */
  parallel_spool_free (spool, &big[1]);
  g_assert_cmpint (get_used (), <, 3 * MAX_EXTENT);
  g_assert_cmpint (get_used (), >=, 2 * MAX_EXTENT);
  check_filled (spool, &big[0], 0);
  check_filled (spool, &big[2], 2);

  parallel_spool_free (spool, &big[0]);
  parallel_spool_free (spool, &big[2]);
  g_assert_cmpint (get_used (), <, MAX_EXTENT);
  check_filled (spool, &small, 's');

  /* The last one empties the file, small or not. */
  parallel_spool_free (spool, &small);
  get_file (&st);
  g_assert_cmpint (st.st_size, ==, 0);
  g_assert_cmpint (st.st_blocks, ==, 0);

  allocate (spool, 1, &small);
  g_assert_cmpint (small.offset, ==, 0);
  fill (spool, &small, 't');
  check_filled (spool, &small, 't');
  parallel_spool_free (spool, &small);
}

typedef struct
{
  ParallelSpool *spool;
  guint8         byte;
} Worker;

static gpointer
allocate_thread (gpointer data)
{
  Worker *worker = data;
  g_autoptr (GRand) rand = g_rand_new_with_seed (worker->byte);
  ParallelExtent extents[4];
  guint n = 0;

  for (guint i = 0; i < 400; i++)
    {
      if (n < G_N_ELEMENTS (extents) && (n == 0 || g_rand_boolean (rand)))
        {
          gsize size = (gsize) MIN_EXTENT << g_rand_int_range (rand, 0, 7);

          allocate (worker->spool, size, &extents[n]);
          fill (worker->spool, &extents[n], worker->byte);
          n++;
        }
      else
        {
          n--;
          check_filled (worker->spool, &extents[n], worker->byte);
          parallel_spool_free (worker->spool, &extents[n]);
        }
    }

  while (n-- > 0)
    {
      check_filled (worker->spool, &extents[n], worker->byte);
      parallel_spool_free (worker->spool, &extents[n]);
    }

  return NULL;
}

/* The file is emptied now and then meanwhile, when no thread happens to have an extent. */
static void
test_threads (void)
{
  g_autoptr (ParallelSpool) spool = parallel_spool_new ();
  Worker workers[6];
  GThread *threads[6];
  struct stat st;

  for (guint i = 0; i < G_N_ELEMENTS (workers); i++)
    {
      workers[i] = (Worker) { spool, i + 1 };
      threads[i] = g_thread_new ("allocate", allocate_thread, &workers[i]);
    }

  for (guint i = 0; i < G_N_ELEMENTS (workers); i++)
    g_thread_join (threads[i]);

  get_file (&st);
  g_assert_cmpint (st.st_size, ==, 0);
}

static void
check_would_block (ParallelSpool *spool,
                   goffset        offset,
                   int            fd)
{
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (parallel_spool_splice (spool, offset, fd, 100, &error), ==, -1);
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK);
}

static void
test_splice (void)
{
  g_autoptr (ParallelSpool) spool = parallel_spool_new ();
  g_autoptr (GError) error = NULL;
  const char data[] = "a\0\xff\nb\r\n\xc3";
  char copy[sizeof data];
  ParallelExtent extent;
  int fds[2];

  allocate (spool, 4096, &extent);
  make_pipe (fds);
  check_would_block (spool, extent.offset, fds[0]);

  /* No more than asked for; what is left is still in the pipe. */
  write_fd (fds[1], data, sizeof data);
  g_assert_cmpint (parallel_spool_splice (spool, extent.offset, fds[0], 3, &error), ==, 3);
  g_assert_no_error (error);
  g_assert_cmpint (parallel_spool_splice (spool, extent.offset + 3, fds[0], 100, &error), ==,
                   sizeof data - 3);
  g_assert_no_error (error);
  check_would_block (spool, extent.offset, fds[0]);

  g_assert_true (parallel_spool_read (spool, extent.offset, copy, sizeof data, &error));
  g_assert_cmpmem (copy, sizeof data, data, sizeof data);

  close (fds[1]);
  g_assert_cmpint (parallel_spool_splice (spool, extent.offset, fds[0], 100, &error), ==, 0);
  g_assert_no_error (error);
  close (fds[0]);

  parallel_spool_free (spool, &extent);
}

static void
test_splice_other (void)
{
  g_autoptr (ParallelSpool) spool = parallel_spool_new ();
  g_autoptr (GError) error = NULL;
  ParallelExtent extent;
  char copy[6];
  int fds[2];

  allocate (spool, 4096, &extent);

  /* A socket, which the kernel does not splice into a file. */
  g_assert_no_errno (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds));
  check_would_block (spool, extent.offset, fds[0]);
  write_fd (fds[1], "ab\0cd\xff", 6);
  g_assert_cmpint (parallel_spool_splice (spool, extent.offset, fds[0], 2, &error), ==, 2);
  g_assert_cmpint (parallel_spool_splice (spool, extent.offset + 2, fds[0], 100, &error), ==, 4);
  g_assert_no_error (error);
  g_assert_true (parallel_spool_read (spool, extent.offset, copy, 6, &error));
  g_assert_cmpmem (copy, 6, "ab\0cd\xff", 6);
  close (fds[1]);
  g_assert_cmpint (parallel_spool_splice (spool, extent.offset, fds[0], 100, &error), ==, 0);
  g_assert_no_error (error);
  close (fds[0]);

  /* A file and a device. */
  fds[0] = open ("/dev/zero", O_RDONLY | O_CLOEXEC);
  g_assert_cmpint (parallel_spool_splice (spool, extent.offset, fds[0], 5, &error), ==, 5);
  g_assert_true (parallel_spool_read (spool, extent.offset, copy, 5, &error));
  g_assert_cmpmem (copy, 5, "\0\0\0\0", 5);
  close (fds[0]);

  g_assert_cmpint (parallel_spool_splice (spool, extent.offset, 9999, 5, &error), ==, -1);
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_FAILED);
  g_clear_error (&error);

  fds[0] = open ("/", O_RDONLY | O_CLOEXEC);
  g_assert_cmpint (parallel_spool_splice (spool, extent.offset, fds[0], 5, &error), ==, -1);
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_IS_DIRECTORY);
  close (fds[0]);

  parallel_spool_free (spool, &extent);
}

/* Checks what is said when there is no more room, and that nothing is taken from a pipe or a
 * socket. */
static void
check_full (ParallelSpool *spool,
            goffset        offset)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *data = g_malloc0 (MAX_EXTENT);
  int fds[2];
  int left;

  g_assert_false (parallel_spool_write (spool, offset, data, MAX_EXTENT, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_NO_SPACE);
  g_assert_nonnull (strstr (error->message, g_get_tmp_dir ()));
  g_assert_true (g_str_has_prefix (error->message, "Could not write to a temporary file in "));
  g_clear_error (&error);

  make_pipe (fds);
  write_fd (fds[1], "precious", 8);
  g_assert_cmpint (parallel_spool_splice (spool, offset + MAX_EXTENT / 2, fds[0], 100, &error),
                   ==, -1);
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_NO_SPACE);
  g_assert_nonnull (strstr (error->message, g_get_tmp_dir ()));
  g_clear_error (&error);
  g_assert_no_errno (ioctl (fds[0], FIONREAD, &left));
  g_assert_cmpint (left, ==, 8);
  close (fds[0]);
  close (fds[1]);

  g_assert_no_errno (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds));
  write_fd (fds[1], "precious", 8);
  g_assert_cmpint (parallel_spool_splice (spool, offset + MAX_EXTENT / 2, fds[0], 100, &error),
                   ==, -1);
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_NO_SPACE);
  g_assert_no_errno (ioctl (fds[0], FIONREAD, &left));
  g_assert_cmpint (left, ==, 8);
  close (fds[0]);
  close (fds[1]);
}

static void
test_file_limit_subprocess (void)
{
  g_autoptr (ParallelSpool) spool = parallel_spool_new ();
  const struct rlimit limit = { 100000, 100000 };
  ParallelExtent small, big;

  signal (SIGXFSZ, SIG_IGN);
  g_assert_no_errno (setrlimit (RLIMIT_FSIZE, &limit));

  allocate (spool, 1, &small);
  fill (spool, &small, 's');
  allocate (spool, MAX_EXTENT, &big);
  check_full (spool, big.offset);
  check_filled (spool, &small, 's');
}

static void
test_file_limit (void)
{
  g_test_trap_subprocess ("/spool/file-limit/subprocess", 0, 0);
  g_test_trap_assert_passed ();
}

/* A disk of 1 MiB, where this user may make one. */
static void
test_disk_full_subprocess (void)
{
  g_autoptr (ParallelSpool) spool = parallel_spool_new ();
  ParallelExtent small, half, big;

  if (unshare (CLONE_NEWNS | (geteuid () == 0 ? 0 : CLONE_NEWUSER)) == -1 ||
      mount (NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == -1 ||
      mount ("tmpfs", g_get_tmp_dir (), "tmpfs", 0, "size=1m,mode=1777") == -1)
    {
      g_print ("cannot mount: %s\n", g_strerror (errno));
      return;
    }

  allocate (spool, 1, &small);
  fill (spool, &small, 's');
  allocate (spool, 512 * 1024, &half);
  fill (spool, &half, 'h');
  allocate (spool, MAX_EXTENT, &big);
  check_full (spool, big.offset);
  check_filled (spool, &half, 'h');

  /* Room that is given up is there for others at once. */
  parallel_spool_free (spool, &big);
  parallel_spool_free (spool, &half);
  allocate (spool, 512 * 1024, &half);
  fill (spool, &half, 'i');
  check_filled (spool, &half, 'i');
  check_filled (spool, &small, 's');
  g_print ("full disk tested\n");

  g_assert_no_errno (umount2 (g_get_tmp_dir (), MNT_DETACH));
}

static void
test_disk_full (void)
{
  g_test_trap_subprocess ("/spool/disk-full/subprocess", 0, 0);
  g_test_trap_assert_passed ();
}

static void
test_bad_folder_subprocess (void)
{
  g_autoptr (ParallelSpool) spool = parallel_spool_new ();
  g_autoptr (GError) error = NULL;
  const char *folder = g_get_tmp_dir ();
  g_autofree char *start = g_strdup_printf ("Could not create a temporary file in %s: ", folder);
  ParallelExtent extent;

  /* Root may write anywhere. */
  if (geteuid () == 0 && setuid (65534) == -1)
    {
      g_print ("cannot become another user: %s\n", g_strerror (errno));
      return;
    }

  g_assert_false (parallel_spool_allocate (spool, 1, &extent, &error));
  g_assert_error (error, G_IO_ERROR, g_ascii_strtoll (g_getenv ("TEST_CODE"), NULL, 10));
  g_assert_true (g_str_has_prefix (error->message, start));
  g_clear_error (&error);

  /* That it failed is not remembered. */
  if (g_str_equal (g_getenv ("TEST_CODE"), "1"))
    {
      if (g_mkdir (folder, 0700) == 0)
        {
          g_assert_true (parallel_spool_allocate (spool, 1, &extent, &error));
          g_assert_no_error (error);
          g_assert_no_errno (g_rmdir (folder));
        }
    }
}

static void
run_bad_folder (const char *folder,
                GIOErrorEnum code)
{
  g_autofree char *good = g_strdup (g_getenv ("TMPDIR"));
  g_autofree char *code_text = g_strdup_printf ("%d", code);

  g_setenv ("TMPDIR", folder, TRUE);
  g_setenv ("TEST_CODE", code_text, TRUE);
  g_test_trap_subprocess ("/spool/bad-folder/subprocess", 0, 0);
  g_setenv ("TMPDIR", good, TRUE);
  g_test_trap_assert_passed ();
}

static void
test_bad_folder (void)
{
  g_autofree char *open = g_build_filename (g_get_tmp_dir (), "open", NULL);
  g_autofree char *missing = g_build_filename (open, "missing", NULL);
  g_autofree char *file = g_build_filename (g_get_tmp_dir (), "file", NULL);
  g_autofree char *locked = g_build_filename (g_get_tmp_dir (), "locked", NULL);

  g_assert_no_errno (g_chmod (g_get_tmp_dir (), 0711));
  g_assert_no_errno (g_mkdir (open, 0777));
  g_assert_no_errno (g_chmod (open, 0777));
  run_bad_folder (missing, G_IO_ERROR_NOT_FOUND);
  g_assert_no_errno (g_rmdir (open));

  g_assert_true (g_file_set_contents (file, "", 0, NULL));
  run_bad_folder (file, G_IO_ERROR_NOT_DIRECTORY);
  g_assert_no_errno (g_unlink (file));

  g_assert_no_errno (g_mkdir (locked, 0555));
  run_bad_folder (locked, G_IO_ERROR_PERMISSION_DENIED);
  g_assert_no_errno (g_rmdir (locked));
}

int
main (int   argc,
      char *argv[])
{
  g_autofree char *folder = NULL;
  int res;

  g_test_init (&argc, &argv, NULL);
  g_test_summary ("The file that the outputs of a run live in.");

  /* Before g_get_tmp_dir() is first asked: it remembers. */
  if (!g_test_subprocess ())
    {
      const char *tmp = g_getenv ("TMPDIR");

      folder = g_build_filename (tmp != NULL ? tmp : "/tmp", "test-spool-XXXXXX", NULL);
      g_assert_nonnull (g_mkdtemp (folder));
      g_setenv ("TMPDIR", folder, TRUE);
    }

  /* First, as it changes the environment, which must not be done beside threads. */
  g_test_add_func ("/spool/bad-folder", test_bad_folder);
  g_test_add_func ("/spool/file", test_file);
  g_test_add_func ("/spool/sizes", test_sizes);
  g_test_add_func ("/spool/bytes", test_bytes);
  g_test_add_func ("/spool/reuse", test_reuse);
  g_test_add_func ("/spool/room-returned", test_room_returned);
  g_test_add_func ("/spool/threads", test_threads);
  g_test_add_func ("/spool/splice", test_splice);
  g_test_add_func ("/spool/splice-other", test_splice_other);
  g_test_add_func ("/spool/file-limit", test_file_limit);
  g_test_add_func ("/spool/file-limit/subprocess", test_file_limit_subprocess);
  g_test_add_func ("/spool/disk-full", test_disk_full);
  g_test_add_func ("/spool/disk-full/subprocess", test_disk_full_subprocess);
  g_test_add_func ("/spool/bad-folder/subprocess", test_bad_folder_subprocess);

  res = g_test_run ();

  /* Nothing must be left in it. */
  if (folder != NULL)
    g_assert_no_errno (g_rmdir (folder));

  return res;
}
