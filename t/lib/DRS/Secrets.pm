# SPDX-License-Identifier: MIT
# With DRS_TRACE=1: what must be in no log, collected while a test file runs,
# and the logs searched for it. httpd itself logs whole headers at its trace
# levels, cookies among them; that is its own doing, and its administrator's.
package DRS::Secrets;
use strict;
use warnings;
use File::Temp qw(tempfile);

my ($out, $path);
my @logs;

sub is_on { return $ENV{DRS_TRACE} }

# A file, because the processes of parallel() find some, too.
sub add {
    my (@texts) = @_;
    return unless is_on() && @texts;
    ($out, $path) = tempfile('drs-secrets-XXXXXX', TMPDIR => 1, UNLINK => 1)
        unless $out;
    syswrite $out, join '', map { "$_\n" } @texts;
}

# Ids that could be real ones: those of tests repeat a letter.
sub add_ids {
    add(grep { my %seen = map { $_ => 1 } split //; keys %seen > 12 }
        map { /(?<![\w-])([\w-]{43,44})(?![\w-])/ } grep { defined } @_);
}

# Of each httpd and Redis: a file that exists in the end.
sub watch { push @logs, @_ if is_on() }

# Whether a line may not have one. AH02427 shows a header that is malformed,
# which is refused before any module sees it.
sub counts {
    my ($line) = @_;
    return $line =~ /\[drs\w+:/
        || $line !~ /\[\w+:trace[1-8]\]|\[core:debug\].* AH02427: /;
}

# The lines with a secret in them, and how many secrets were looked for.
sub leaks {
    my %secret;
    if ($path) {
        open my $in, '<', $path or die "$path: $!";
        $secret{$_} = 1 for map { chomp; $_ } <$in>;
    }
    return (0) unless %secret;
    my $any = join '|', map { quotemeta } sort keys %secret;
    my @bad;
    for my $log (@logs) {
        open my $in, '<:raw', $log or next;
        while (my $line = <$in>) {
            next unless counts($line) && $line =~ /($any)/;
            push @bad, "$log: " . $line =~ s/\Q$1\E/<SECRET>/gr;
        }
    }
    return (scalar(keys %secret), @bad);
}

1;
