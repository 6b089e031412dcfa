"""The development mailbox: catches every mail sent to it, shows what arrived, sends nothing on."""
