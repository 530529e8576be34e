# SPDX-License-Identifier: MIT
# Packaged languages that no machine needs to have installed: t/guests
# unpacks them into the build, and here is how they are found and started.
package DRS::Guests;
use strict;
use warnings;
use DRS::Proc;
use FindBin;
use IO::Socket::UNIX;

# The folder of a language, or undef and the reason.
sub unpacked {
    my ($language) = @_;
    chomp(my $said = qx(sh '$FindBin::Bin/guests' $language 2>&1) // '');
    return $? == 0 ? ($said) : (undef, $said);
}

# A file of the folder, or else of the system; the last one by name.
sub find {
    my ($root, $pattern) = @_;
    for my $top ($root, '') {
        my @found = sort glob "$top/$pattern";
        return $found[-1] if @found;
    }
    return undef;
}

# The libraries of what was unpacked are found by these.
sub paths {
    my ($root) = @_;
    my @lib = grep { -d } glob("$root/usr/lib/*-linux-gnu*"), "$root/usr/lib";
    return (LD_LIBRARY_PATH => join(':', @lib, $ENV{LD_LIBRARY_PATH} // ()),
        PERL5LIB => join(':', (grep { -d } glob("$root/usr/lib/*/perl5/5.*"),
            "$root/usr/share/perl5"), $ENV{PERL5LIB} // ()));
}

# php-fpm on the socket fpm.sock of a folder that may have a php.ini; its
# pid, or undef and the reason.
sub start_fpm {
    my ($root, $dir) = @_;
    my $program = find($root, 'usr/sbin/php-fpm[0-9]*')
        // return (undef, 'no php-fpm in its packages');
    my $as = $> == 0 ? "user = www-data\ngroup = www-data\n" : '';
    open my $out, '>', "$dir/fpm.conf" or die "fpm.conf: $!";
    print {$out} <<"CONF";
[global]
error_log = $dir/fpm.log
daemonize = no
[www]
${as}listen = $dir/fpm.sock
listen.mode = 0666
pm = static
pm.max_children = 2
CONF
    close $out;
    my $pid = DRS::Proc::spawn(log => "$dir/fpm.out",
        env => { paths($root), PHP_INI_SCAN_DIR => '' },
        argv => [$program, '-F', '-c', "$dir/php.ini", '-y', "$dir/fpm.conf"]);
    return $pid if DRS::Proc::wait_until(20, sub { -S "$dir/fpm.sock"
        && IO::Socket::UNIX->new(Peer => "$dir/fpm.sock") });
    DRS::Proc::stop($pid);
    return (undef, 'php-fpm does not start: '
        . DRS::Httpd::slurp("$dir/fpm.out"));
}

1;
