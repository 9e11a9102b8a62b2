#!/usr/bin/perl
# SPDX-License-Identifier: LGPL-2.1-or-later
# worker.pl: a worker in a language that the library knows nothing of. It counts the words of the files it is given.

use strict;
use warnings;
use Fcntl;
use POSIX ();

# What each step does: the input's bytes in, the result's bytes out. To die is to fail.
sub count_words {
  my ($path) = @_;
  open my $file, '<', $path or die "$path: $!\n";
  print "counting $path\n";
  my $words = 0;
  while (my $line = <$file>) {
    $words += () = $line =~ /\S+/g;
  }
  return $words;
}

# The two ends of the protocol go where steps do not get them, and what steps print goes to standard error.
sub move {
  my ($handle, $mode) = @_;
  my $fd = fcntl($handle, F_DUPFD, 10) // die "fcntl: $!";
  open my $moved, "$mode&=", $fd or die "open: $!";
  fcntl($moved, F_SETFD, FD_CLOEXEC) or die "fcntl: $!";
  binmode $moved;
  return $moved;
}
my $requests = move(\*STDIN, '<');
my $answers = move(\*STDOUT, '>');
open STDIN, '<', '/dev/null' or die "/dev/null: $!";
open STDOUT, '>&', \*STDERR or die "standard error: $!";
$| = 1;

# Without what has been read already there is nothing more to do.
sub read_bytes {
  my ($size) = @_;
  my $bytes = '';
  while (length $bytes < $size) {
    my $got = sysread $requests, $bytes, $size - length $bytes, length $bytes;
    POSIX::_exit(0) if defined $got && $got == 0;
    die "reading: $!" if !defined $got && !$!{EINTR};
  }
  return $bytes;
}

sub write_all {
  my ($handle, $bytes) = @_;
  my $offset = 0;
  while ($offset < length $bytes) {
    my $done = syswrite $handle, $bytes, length($bytes) - $offset, $offset;
    die "writing: $!" if !defined $done && !$!{EINTR};
    $offset += $done // 0;
  }
}

sub answer {
  my ($kind, $payload) = @_;
  write_all($answers, pack('V C a*', 1 + length $payload, $kind, $payload));
}

my $token;
while (1) {
  my ($kind, $payload) = unpack 'C a*', read_bytes(unpack 'V', read_bytes(4));
  if ($kind == 1) {    # START
    $token = substr $payload, 12, 16;
    answer(65, pack 'v v V C a*', 1, 0, $$, 0, (POSIX::uname())[1]);
  } elsif ($kind == 3) {    # RUN: one request or more
    while (length $payload) {
      (my $serial, my $flags, my $input, $payload) = unpack 'a8 C V/a a*', $payload;
      my $result = eval { count_words($input) };
      chomp(my $message = $@);
      # The mark says that all of the step's output stands before it, so it comes first.
      write_all(\*STDOUT, $token . $serial);
      answer(67, $serial . (defined $result ? pack 'C a*', 0, $result : pack 'C V/a', 1, $message));
    }
  } elsif ($kind == 4) {    # LEAVE
    answer(69, pack 'C', 2);
    exit 0;
  } else {
    die "frames of the kind $kind are not for this worker\n";
  }
}
