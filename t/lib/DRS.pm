# SPDX-License-Identifier: MIT
# What every test with a real httpd and a real Redis needs:
#
#     use FindBin;
#     use lib "$FindBin::Bin/lib";
#     use DRS;
#     needs();                               # or skip all, saying why
#     my $redis = start_redis();
#     my $httpd = start_httpd(redis => $redis, conf => "DRSession On\n");
#     my $jar = jar();
#     is $httpd->drs({ jar => $jar }, 'set a 1'), 'ok';
#     error_log_is_clean($httpd);
#     done_testing;
#
# Everything started here ends with the test, however that ends.
package DRS;
use strict;
use warnings;
use DRS::Http;
use DRS::Httpd;
use DRS::Proc;
use DRS::Redis;
use DRS::Secrets;
use Exporter qw(import);
use Test::More;
use Time::HiRes ();

our @EXPORT = qw(needs start_redis start_httpd jar parallel pct header headers
    error_log_is_clean wait_until in_time timed has_directive);

sub start_redis { return DRS::Redis->new(@_) }
sub start_httpd { return DRS::Httpd->new(@_) }
sub jar         { return DRS::Jar->new(@_) }
sub parallel    { return DRS::Proc::parallel(@_) }
sub wait_until  { return DRS::Proc::wait_until(@_) }
sub in_time     { return DRS::Proc::in_time(@_) }
sub timed       { return DRS::Proc::timed(@_) }
sub header      { return DRS::Http::header(@_) }
sub headers     { return DRS::Http::headers(@_) }

# Skip the file where a tool is missing.
sub needs {
    my @missing = grep { defined } (
        DRS::Redis::program() ? undef : 'no redis-server or valkey-server',
        DRS::Httpd::program() ? undef : 'no httpd',
        DRS::Httpd::libexec() ? undef : 'no apxs',
        DRS::Httpd::module() ? undef : 'mod_drsession.so is not built',
        DRS::Httpd::test_module() ? undef : 'mod_drstest.so is not built',
        map { DRS::Httpd::is_compiled_in($_)
              || -e DRS::Httpd::libexec() . "/mod_$_.so"
              ? undef : "httpd has no mod_$_" } @_);
    Test::More::plan(skip_all => join ', ', @missing) if @missing;
}

# Percent-encode whatever is no plain letter, for a line of drs() or a path.
sub pct {
    my ($bytes) = @_;
    utf8::encode($bytes) if utf8::is_utf8($bytes);
    $bytes =~ s/([^A-Za-z0-9_.-])/sprintf '%%%02X', ord $1/ge;
    return $bytes;
}

# Whether this build has a directive; text is one line that uses it.
sub has_directive {
    my ($httpd, $text) = @_;
    my ($code, $out) = $httpd->conftest("$text\n");
    return $out !~ /Invalid command/;
}

# At the end of each file: nothing but what was provoked.
sub error_log_is_clean {
    my ($httpd, @expected) = @_;
    my @lines = $httpd->unexpected(@expected);
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    ok !@lines, 'the error log holds nothing unexpected'
        or diag join "\n", @lines[0 .. ($#lines < 9 ? $#lines : 9)];
    no_secret_is_logged() if DRS::Secrets::is_on();
}

# With DRS_TRACE=1, after all of a file or of one httpd.
sub no_secret_is_logged {
    DRS::Secrets::add_ids(map { $_->live_ids } values %DRS::Redis::running);
    my ($n, @leaks) = DRS::Secrets::leaks();
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    ok !@leaks, "none of $n ids and passwords is in a log"
        or diag join '', @leaks[0 .. ($#leaks < 9 ? $#leaks : 9)];
}

1;
