#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# The module that docs/api.md shows, compiled with all warnings and run.
use strict;
use warnings;
use Cwd qw(abs_path);
use File::Temp qw(tempdir);
use FindBin;
use lib "$FindBin::Bin/lib";
use DRS;
use Test::More;

needs();
my $root = abs_path("$FindBin::Bin/..");
my $dir = tempdir(CLEANUP => 1);
my ($code) = DRS::Httpd::slurp("$root/docs/api.md") =~ /^```c\n(.*?)^```$/ms;
ok $code, 'docs/api.md has a whole module' or BAIL_OUT('nothing to compile');

open my $out, '>', "$dir/mod_visits.c" or die "mod_visits.c: $!";
print {$out} $code;
close $out;
my ($apxs, $cc) = ($ENV{APXS} // 'apxs', $ENV{CC} // 'cc');
chomp(my @flags = map { scalar qx($apxs -q $_) } qw(INCLUDEDIR CFLAGS
    EXTRA_CPPFLAGS APR_INCLUDEDIR));
my $said = qx($cc -std=gnu99 -Wall -Wextra -Wno-unused-parameter \\
    -Wno-missing-field-initializers -Werror -fPIC -shared \\
    -I$flags[0] $flags[2] -I$flags[3] -I'$root/include' \\
    -o '$dir/mod_visits.so' '$dir/mod_visits.c' 2>&1);
is $?, 0, 'it compiles with nothing but the public header' or diag $said;
chmod 0755, $dir;

my $redis = start_redis();
my $httpd = start_httpd(redis => $redis, conf => <<"CONF");
LoadModule visits_module $dir/mod_visits.so
<Location /visits>
    DRSession On
    SetHandler visits
</Location>
<Location /drs>
    DRSession On
</Location>
<Location /off>
    SetHandler visits
</Location>
CONF
my $jar = jar();
my $visit = sub { $httpd->get('/visits', jar => $jar) };
is $visit->()->{body}, "Hello stranger, visit 1\n", 'the first visit';
is $httpd->drs({ jar => $jar }, 'set_string name Ann'), 'ok', 'a name is set';
is $visit->()->{body}, "Hello Ann, visit 2\n", 'the second';
is $httpd->get('/off')->{status}, 500, 'DRSession Off is noticed';
$redis->stop;
is $visit->()->{status}, 503, 'and a Redis that is away';
error_log_is_clean($httpd, qr{:error\].*cannot connect to unix:});
done_testing;
