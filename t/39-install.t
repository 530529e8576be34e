#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# What make install puts where, and what it leaves alone.
use strict;
use warnings;
use Cwd qw(abs_path);
use File::Temp qw(tempdir);
use FindBin;
use lib "$FindBin::Bin/lib";
use DRS;
use Test::More;

needs();
my $root  = abs_path("$FindBin::Bin/..");
my $build = $ENV{DRS_BUILD} // "$root/build";
my $dest  = tempdir('drs-install-XXXXXX', TMPDIR => 1, CLEANUP => 1);
my $mods  = tempdir('drs-mods-XXXXXX', TMPDIR => 1, CLEANUP => 1);
my $apxs = $ENV{APXS} // 'apxs';
chomp(my $libexec = qx($apxs -q LIBEXECDIR));
chomp(my $bin = qx($apxs -q BINDIR));

# What is built already is only copied; the sanitizers are in its flags.
sub install {
    local @ENV{qw(MAKEFLAGS MFLAGS MAKELEVEL)};
    my $said = qx(make -s -C '$root' -o all -o install-lua install \\
        BUILD='$build' DESTDIR='$dest' MODS='$mods' 2>&1);
    is $?, 0, 'make install' or diag $said;
}

install();
ok -s "$dest$_", "$_ is there" for "$libexec/mod_drsession.so",
    "$bin/drsession", "$mods/drsession.conf", "$mods/drsession.load";
ok -x "$dest$bin/drsession", 'the command may be run';

open my $out, '>>', "$dest$mods/drsession.conf" or die "conf: $!";
print {$out} "DRSession On\n";
close $out or die "conf: $!";
unlink "$dest$libexec/mod_drsession.so";
install();
ok -s "$dest$libexec/mod_drsession.so", 'a second time the module is renewed';
like DRS::Httpd::slurp("$dest$mods/drsession.conf"), qr/^DRSession On$/m,
    'and what the administrator wrote stays';

done_testing;
